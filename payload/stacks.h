/*
 * Stacks that only the thread itself can tell: it runs, or a register is needed that the kernel
 * does not show. It is sent a real-time signal and records its stack in the handler, by the same
 * unwinder and with all its registers. That ends some system calls with EINTR: who asks decides.
 */
#ifndef PAYLOAD_STACKS_H
#define PAYLOAD_STACKS_H

#include "payload/proc.h"
#include "payload/unwind.h"

/* True when no thread of the program is in a handler of ours. */
bool stacks_at_rest(void);
/* The one that is, as far as we know. */
pid_t stacks_stuck_thread(void);

/* In a forked child: no other thread is there. */
void stacks_forget(void);

enum stacks_answer {
    STACKS_RECORDED,
    STACKS_FAULTED, /* memory was there and then was not: the frames before it are good */
    STACKS_BLOCKS,
    STACKS_WAITS,
    STACKS_STOPPED,
    STACKS_BUSY,
    STACKS_SILENT,
    STACKS_GONE,
    STACKS_NO_MEMORY,
};

/*
 * Asks a thread; the worker alone may, while stacks_at_rest. What it points to must stay until
 * stacks_at_rest again.
 */
enum stacks_answer stacks_ask(struct unwinder *unwinder, pid_t tid,
                              const struct proc_thread *thread, struct trace *ret);

/* One line for people; NULL: nothing is missing. */
const char *stacks_explain(enum stacks_answer answer);

/* True when the call that a thread sleeps in goes on by itself after a handler (signal(7)). */
bool stacks_call_restarts(const struct proc_thread *thread);

#endif
