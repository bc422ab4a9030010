/*
 * Stacks of threads that sleep, read without touching them: no signal, no stop, no call of theirs
 * returns. The kernel shows where a sleeping thread stands (/proc/self/task/TID/syscall), its stack
 * is memory of this process, and a counter that has not moved proves that it slept all the while.
 */
#ifndef PAYLOAD_ASLEEP_H
#define PAYLOAD_ASLEEP_H

#include "payload/proc.h"
#include "payload/unwind.h"

enum asleep {
    ASLEEP_PROVED,  /* the trace is that of a thread that slept */
    ASLEEP_RUNNING, /* it runs, or ran in each of some looks: nothing is shown of its stack */
    ASLEEP_HIDDEN,  /* the kernel does not show where it stands */
    ASLEEP_GONE,
};

/* Looks at a thread, and at its stack if it sleeps. */
enum asleep asleep_look(struct unwinder *unwinder, pid_t tid, struct proc_thread *thread,
                        struct trace *trace);

#endif
