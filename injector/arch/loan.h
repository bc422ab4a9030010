/*
 * The code that runs inside the target during a loan, and the registers that lead into it and back
 * (DESIGN.md section 5, steps 3 to 5). The code itself is injector/arch/<arch>/stub.S, position
 * independent, with its data in front of it; it is copied into a cave and run there.
 */
#ifndef INJECTOR_ARCH_LOAN_H
#define INJECTOR_ARCH_LOAN_H

#include "injector/arch/arch.h"
#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

extern const uint32_t arch_audit; /* AUDIT_ARCH_...: what seccomp filters see */

/* What the borrowed thread is to do. */
enum loan_work {
    LOAN_CREATE_THREAD, /* map the region, pthread_create there */
    LOAN_UNMAP,         /* unmap the region: raw system calls only, so it needs no safe point */
};

/* The memory of our own in the target, one mapping. Target addresses. */
struct loan_region {
    uint64_t start, size;
    uint64_t thread_stack, thread_stack_size; /* of the bootstrap thread */
    uint64_t donor_stack_top;                 /* for the borrowed thread */
    uint64_t mailbox;
    uint64_t vector_state; /* 64-byte aligned, arch_vector_state_size() bytes */
};

struct loan_parameters {
    enum loan_work work;
    struct loan_region region;
    struct arch_regset home; /* registers at the stop, EINTR repaired */
    pid_t donor;             /* the thread's id in the target's own pid namespace */
    uint64_t home_mask;      /* signal mask of the thread */
    uint64_t loan_mask;      /* the one during the loan */
    uint64_t bootstrap;      /* address of the bootstrap code */
    uint64_t pthread_attr_init, pthread_attr_setdetachstate, pthread_attr_setstack;
    uint64_t pthread_attr_destroy, pthread_create;
};

/* Bytes of the stub with its data; alignment it needs is 16. */
size_t arch_stub_size(void);
/* Writes the stub, made for these parameters, into `buffer`. */
void arch_stub_build(const struct loan_parameters *parameters, void *buffer);

/*
 * Is this a stub that an earlier manhole-attach of this very build left? Then fills in work,
 * region, donor and bootstrap, and of home the stack pointer; `bytes` are arch_stub_size() many.
 */
bool arch_stub_recognize(const void *bytes, struct loan_parameters *ret);

/* The code of the bootstrap thread: a start routine for pthread_create with the mailbox as its
   argument. */
size_t arch_bootstrap_size(void);
const void *arch_bootstrap_code(void);

/* Bytes that saving the vector state takes on this machine (Intel manual volume 1, 13.2). */
size_t arch_vector_state_size(void);

/* The registers with which the thread enters a stub that stands at `stub`: its own, except for the
   program counter, and marked as being in no system call. */
void arch_regset_enter_stub(struct arch_regset *regset, uint64_t stub);

/* Where a thread is, seen from a stub. */
enum stub_place {
    STUB_OUTSIDE, /* not in the stub's own code: at home, or in a function that the stub called */
    STUB_WORKING,
    STUB_PARKED, /* all its work is done; it may be fetched: all it needs are its registers and mask
                  */
    STUB_LEAVING, /* on its way home alone with its own mask: let it go */
};
enum stub_place arch_stub_place(const struct arch_regset *regset, uint64_t stub);

/* What the work came to, of a thread that is parked: 0, or an errno (of mmap, pthread_create,
 * munmap).
 */
int arch_stub_result(const struct arch_regset *regset);

/*
 * Is there a signal frame on these bytes of the thread's stack that leads back into the stub, of a
 * handler that interrupted it on its way home? Other words may well point there: the kernel puts
 * the address of the thread's last page fault into every signal frame, and that was in the stub.
 */
bool arch_stack_leads_into_stub(const struct loan_parameters *parameters, uint64_t stub,
                                const uint8_t *stack, size_t size);

/* True when code begins with the system call that ends a signal handler: rt_sigreturn. */
bool arch_is_signal_trampoline(const uint8_t *code, size_t length);

/*
 * What the processor and the kernel know of a stopped thread that forbids to borrow it: NULL, or
 * static text: 32-bit code, a restartable sequence (rseq), syscall user dispatch, a system call
 * made by an unusual instruction.
 */
const char *arch_loan_obstacle(const struct process *process, pid_t tid,
                               const struct arch_regset *regset);

#endif
