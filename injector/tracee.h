/*
 * One ptraced thread: seize, interrupt with a deadline, registers, signal mask, resume, detach.
 * PTRACE_SEIZE only: no SIGSTOP is queued, a group-stopped target stays stopped, and our death
 * lets the thread go. A signal that shows up first is passed on, never swallowed.
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
    int pending_signal; /* of a signal-delivery-stop: goes on with the next resume or detach */
    bool group_stopped; /* the stop belongs to a group stop: it stays stopped after detach */
};

/* Seizes; the thread runs on. Errors: ERROR_NO_PROCESS, ERROR_NOT_PERMITTED (explained). */
struct error *tracee_seize(const struct process *process, pid_t tid, struct tracee *ret) MUST_CHECK;

/*
 * PTRACE_INTERRUPT and wait until PTRACE_EVENT_STOP; signals seen first are passed on.
 * ERROR_DEADLINE leaves the thread seized and running (D state, vfork parent); ERROR_NO_PROCESS
 * when it exits.
 */
struct error *tracee_stop(struct tracee *tracee, deadline_t deadline) MUST_CHECK;

struct error *tracee_get_registers(struct tracee *tracee, struct arch_regset *ret) MUST_CHECK;
struct error *tracee_set_registers(struct tracee *tracee,
                                   const struct arch_regset *regset) MUST_CHECK;

/* The kernel's 64-bit signal mask, bit n-1 for signal n (PTRACE_GETSIGMASK). */
struct error *tracee_get_signal_mask(struct tracee *tracee, uint64_t *ret) MUST_CHECK;
struct error *tracee_set_signal_mask(struct tracee *tracee, uint64_t mask) MUST_CHECK;

/* PTRACE_CONT with the pending signal, if any. */
struct error *tracee_continue(struct tracee *tracee) MUST_CHECK;

/*
 * Lets the thread go from where it is: PTRACE_DETACH with the pending signal when stopped. A
 * running one is stopped first as far as the deadline allows; one that never stops is freed by our
 * exit.
 */
void tracee_detach(struct tracee *tracee, deadline_t deadline);

#endif
