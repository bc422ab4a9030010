/*
 * One ptraced thread: seize, interrupt with a deadline, registers, signal mask, resume, detach.
 * PTRACE_SEIZE only: no SIGSTOP is queued, a group-stopped target stays stopped, and our death
 * lets the thread go. A signal that shows up first is passed on, never swallowed.
 *
 * The kernel ties a tracee to the *thread* that seized it, and releases it when that thread ends. A
 * thread in D state cannot be stopped, hence not detached either (ptrace(2): ESRCH), yet it would
 * stop as soon as it leaves that state. So all of this belongs into a thread or process of ours
 * that ends soon, never into one that goes on to serve a console.
 */
#ifndef INJECTOR_TRACEE_H
#define INJECTOR_TRACEE_H

#include "injector/arch/arch.h"
#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tracee {
    pid_t tid;
    bool seized;
    bool stopped;       /* in a ptrace-stop that we have waited for */
    bool event_stop;    /* ... which is PTRACE_EVENT_STOP, from where a restart is safe */
    bool group_stopped; /* the stop belongs to a group stop: it stays stopped after detach */
};

/* Seizes; the thread runs on. One that an earlier tracee_detach of this thread of ours could not
   stop is taken up again. Errors: ERROR_NO_PROCESS, ERROR_NOT_PERMITTED (explained). */
struct error *tracee_seize(const struct process *process, pid_t tid, struct tracee *ret) MUST_CHECK;

/*
 * PTRACE_INTERRUPT and wait until PTRACE_EVENT_STOP; signals seen first are passed on. The EINTR
 * repair (arch_regset_repair_eintr) has been made when it returns. ERROR_DEADLINE leaves the thread
 * seized and running (D state, vfork parent); ERROR_NO_PROCESS when it exits.
 */
struct error *tracee_stop(struct tracee *tracee, deadline_t deadline) MUST_CHECK;

struct error *tracee_get_registers(struct tracee *tracee, struct arch_regset *ret) MUST_CHECK;
struct error *tracee_set_registers(struct tracee *tracee,
                                   const struct arch_regset *regset) MUST_CHECK;

/* The kernel's 64-bit signal mask, bit n-1 for signal n (PTRACE_GETSIGMASK). */
struct error *tracee_get_signal_mask(struct tracee *tracee, uint64_t *ret) MUST_CHECK;
struct error *tracee_set_signal_mask(struct tracee *tracee, uint64_t mask) MUST_CHECK;

/* Where the struct rseq is that a stopped thread has registered (rseq(2)); 0: none, or the kernel
   does not tell (before Linux 5.13). */
uint64_t tracee_rseq_address(pid_t tid);

/* PTRACE_CONT. From a group stop the thread would run: detach from there instead. */
struct error *tracee_continue(struct tracee *tracee) MUST_CHECK;

/*
 * The steps below the functions above, for who moves many threads at once (the burst): they
 * allocate nothing. Both return 0 or an errno.
 */
int tracee_read_regset(pid_t tid, struct arch_regset *ret);

enum tracee_stop_kind {
    TRACEE_RUNNING,       /* it has not stopped yet */
    TRACEE_STOPPED,       /* PTRACE_EVENT_STOP: it stays until let go; EINTR repaired */
    TRACEE_GROUP_STOPPED, /* the same, of a thread that SIGSTOP & co. had stopped */
    TRACEE_PASSED,        /* a signal-delivery-stop: passed on, the thread runs again */
    TRACEE_GONE,          /* it has ended */
};

/*
 * Has a seized thread stopped? What it needs then is done at once. For a stop that lasts, `ret`
 * receives the registers (size 0: they could not be read).
 */
enum tracee_stop_kind tracee_poll(pid_t tid, struct arch_regset *ret);

/*
 * Lets the thread go from where it is: PTRACE_DETACH when stopped. A
 * running one is stopped first as far as the deadline allows; one that never stops is freed by our
 * exit.
 */
void tracee_detach(struct tracee *tracee, deadline_t deadline);

#endif
