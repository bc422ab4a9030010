/*
 * What of the payload depends on the processor: system calls, the way into and out of code that may
 * fault, and the registers in a signal frame. One directory per architecture beside this header
 * defines it all; it also defines memcpy, memmove, memset, memcmp, bcmp and strlen, which compilers
 * call on their own, so that none of ours comes from a library that the program may have replaced.
 */
#ifndef PAYLOAD_ARCH_ARCH_H
#define PAYLOAD_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One system call, past the C library: no errno, no cancellation point, nothing interposed. Returns
 * what the kernel returns: -4095 to -1 is a negated errno.
 */
long arch_syscall(long number, long a, long b, long c, long d, long e, long f);

/* The way out of a guarded call, for arch_context_escape; `sp` is 0 when there is none: before the
   call and after it. */
struct arch_frame {
    volatile uintptr_t sp;
};

#define ARCH_ARGUMENTS 6

/*
 * Calls `function` with ARCH_ARGUMENTS integer arguments, on the stack that ends at `stack_top` (0:
 * on the present one), and stores what it returned in *result. Returns 0; or 1 when a signal
 * handler ended the call by arch_context_escape: then *result is untouched.
 */
int arch_guarded_call(struct arch_frame *frame, uintptr_t function,
                      const uint64_t arguments[ARCH_ARGUMENTS], uintptr_t stack_top,
                      uint64_t *result);

/* `context` is the third argument of a signal handler: the interrupted program counter, */
uintptr_t arch_context_pc(const void *context);
/* and stack pointer; */
uintptr_t arch_context_sp(const void *context);
/* whether a system call was cut short by this signal (EINTR): the thread was waiting in it; */
bool arch_context_in_syscall(const void *context);
/* and the way out: when the handler returns, the guarded call of this frame returns 1. */
void arch_context_escape(void *context, const struct arch_frame *frame);

/*
 * For rt_sigaction(2). The entry calls signals_dispatch and jumps to the handler that it names,
 * with the arguments and the stack as the kernel left them: that handler cannot tell the
 * difference, and nothing of ours is left on its stack.
 */
void arch_signal_entry(void);
/* sa_restorer: rt_sigreturn(2), in the very bytes that unwinders look for. */
void arch_signal_return(void);

/* --- Registers, by the numbers that unwind tables give them (the ABI's DWARF register mapping). */

#define ARCH_REGISTERS_MAX 34 /* of any architecture */
extern const unsigned arch_register_count;
extern const unsigned arch_register_pc; /* in tables: the column of the return address */
extern const unsigned arch_register_sp;
extern const unsigned arch_register_fp;    /* the frame pointer, of code that keeps one */
extern const uint64_t arch_registers_kept; /* bit n: functions leave register n as it was */

extern const uint8_t arch_call_arguments[6]; /* of a system call, in order */

/* The registers of whoever calls this, as they are when it returns, all that it keeps for its own
   caller among them; the others stay as they are in `values`. */
void arch_own_registers(uint64_t values[ARCH_REGISTERS_MAX]);

#define ARCH_CODE_WINDOW 16 /* bytes: no call is longer */
/* True when the `length` bytes that stop at `end` stop with a call instruction. */
bool arch_is_call_before(const uint8_t *end, size_t length);

/*
 * Where a function that keeps a frame pointer has saved what its caller needs, by the code around
 * the place where it is: ARCH_CODE_WINDOW bytes before and as many from there on; 0: not saved yet,
 * or no more. For code without unwind tables. `exact`: the place is not a return address, before
 * which a call has been made, and so all is saved.
 */
struct arch_saved {
    uint64_t frame_pointer, return_address; /* where they are saved */
    uint64_t sp;                            /* of the caller */
};
void arch_find_saved(const uint64_t values[ARCH_REGISTERS_MAX],
                     const uint8_t code[2 * ARCH_CODE_WINDOW], bool exact, struct arch_saved *ret);

/* A signal handler's way back to the kernel, by its bytes; where the C library has no table for it.
   The registers of what was interrupted are then at the stack pointer, in so many bytes. */
bool arch_is_signal_return(const uint8_t *code, size_t length);
#define ARCH_SIGNAL_CONTEXT_MAX 512
void arch_signal_registers(const void *context, uint64_t values[ARCH_REGISTERS_MAX]);

#endif
