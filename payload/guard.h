/*
 * The guard: code that may fault, or never end, is run so that it can be cut off. A fault in it
 * ends it, and is reported; it does not end the process. What the code held, it keeps: memory,
 * locks.
 */
#ifndef PAYLOAD_GUARD_H
#define PAYLOAD_GUARD_H

#include "payload/arch/arch.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum guard_outcome {
    GUARD_RETURNED,
    GUARD_FAULTED, /* by a signal: see the report */
    GUARD_CUT,     /* by guard_cut */
};

enum guard_cut_mode {
    GUARD_CUT_ANYWHERE, /* a function of the program that the user called */
    /* Code that the client compiled: while it runs itself, not what it calls, which may hold a
       lock; after GUARD_FORCE_MS anywhere. */
    GUARD_CUT_OWN_CODE,
    /* Code of ours that takes the loader's lock: only while it still waits in a system call. */
    GUARD_CUT_WAITING,
};

#define GUARD_STACK_MAX 32

struct guard_report {
    int signal, code;  /* siginfo's */
    uintptr_t address; /* of the fault, where the signal has one */
    uintptr_t pc, sp;  /* where it happened */
    bool forced;       /* of a cut: in what it called, which may have held a lock */
    /* Of GUARD_CUT_OWN_CODE: what was being executed, innermost first: the first is a program
       counter, the others are return addresses. */
    size_t count;
    uint64_t stack[GUARD_STACK_MAX];
};

/* The worker thread calls this when it begins: its alternate stack, and its signal mask. */
bool guard_enter_thread(void);
void guard_leave_thread(void);

/* Runs `function` on the calling worker. */
enum guard_outcome guard_run(enum guard_cut_mode mode, uintptr_t function,
                             const uint64_t arguments[ARCH_ARGUMENTS], uint64_t *result,
                             struct guard_report *report);

/* How long a cut that comes again and again waits for a good moment. */
#define GUARD_FORCE_MS 2000

/* From another thread: cuts off what is running now, if anything; it may need to be said again. */
void guard_cut(void);

/* After a worker that ended inside guard_run (pthread_exit in what it called). */
void guard_bury(void);
/* In a forked child, where the worker never was; or which its own code forked, and which is then
   about to end (guard_run). */
void guard_forget(bool caller_is_worker);

/*
 * The same protection from faults for a piece of work inside a signal handler, on a thread of the
 * program, on the stack that ends at `stack_top`. The fault handlers must be in place
 * (guard_take_faults). True when `function` returned.
 */
bool guard_run_in_handler(uintptr_t function, void *argument, uintptr_t stack_top);
void guard_take_faults(void);
void guard_give_back_faults(void);

#endif
