/*
 * Threads of ours: made by pthread_create, so that the C library and what the user calls find them
 * in order, but on stacks of ours, so that nothing is left in the library's stack cache after them.
 */
#ifndef PAYLOAD_THREAD_H
#define PAYLOAD_THREAD_H

#include "payload/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct thread {
    pthread_t handle;
    struct stack stack;
    _Atomic uint32_t tid; /* 0 until it runs */
    bool started;
    const char *name;
    void (*main)(void *);
    void *argument;
};

/*
 * All signals but those of faults, which a blocked thread would die of, and those of the C library:
 * 32 and 33, in musl 34 too (glibc's SIGCANCEL and SIGSETXID, musl's SIGTIMER, SIGCANCEL and
 * SIGSYNCCALL). The program's setuid() waits for each thread to answer them. In glibc 34 is
 * SIGRTMIN: the program's own, which may wait for it with sigwaitinfo(2) and die of it elsewhere.
 */
uint64_t thread_all_signals(void);
/* Which of them our threads block: all, unless something else was set before they started. */
uint64_t thread_blocked_signals(void);
void thread_set_blocked_signals(uint64_t signals);

/* True of each thread that was started here, from its start to its end. */
bool thread_is_own(pid_t tid);

/* Starts a thread with that mask, and tells those who look from outside of it (manhole_threads);
   `name` (static) is what tools show. 0 or an errno. */
int thread_start(struct thread *thread, const char *name, size_t stack_size, void (*main)(void *),
                 void *argument);

/* Waits for its beginning, at most until `end` (sys_now_ms); false: it did not come. */
bool thread_wait_started(const struct thread *thread, uint64_t end);

/* Waits for its end, which must have been asked for, and frees its stack. */
void thread_join(struct thread *thread);

/* In a forked child: the thread is not there; only its stack is. */
void thread_forget(struct thread *thread);

/* True while the kernel knows it. */
bool thread_alive(const struct thread *thread);

/* Names the calling thread, at most 15 bytes (prctl(2), PR_SET_NAME). */
void thread_set_name(const char *name);

#endif
