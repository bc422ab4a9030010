/*
 * What /proc shows of one thread without stopping it: its state, and while it sleeps its program
 * counter, stack pointer and system call. A counter of its runs proves afterwards that it slept on.
 */
#ifndef INJECTOR_LOOK_H
#define INJECTOR_LOOK_H

#include "injector/process.h"
#include "injector/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALL_TEXT 256

struct look {
    pid_t tid;
    char name[64];       /* control characters replaced */
    char state;          /* R S D T t Z X I */
    uint64_t start_time; /* clock ticks after boot: a later thread with its id has another one */
    bool worker;         /* a kernel worker of this process (io_uring, vhost): has no stack in it */
    bool asleep;         /* `call` shows registers */
    uint64_t runs;       /* times put on a processor; 0: unknown */
    bool by_switches;    /* runs counts the times it left one instead */
    char call[CALL_TEXT]; /* text of /proc/TID/syscall (proc(5)); "": there is none */
};

/* Looks at a thread. False: it has ended. */
bool look_at_thread(const struct process *process, pid_t tid, struct look *ret);

/*
 * True for a worker of the kernel in this process. They can be traced, but a stop would fail the
 * operation they work on. Allocates nothing.
 */
bool look_is_worker(const struct process *process, pid_t tid);

/* True while the thread is in D state, where no signal and no stop reaches it. Allocates nothing.
 */
bool look_sleeps_uninterruptibly(const struct process *process, pid_t tid);

/*
 * True when the thread has not run since `before`, during which it was asleep: it was asleep all
 * the time between the two, its registers and stack are those of then.
 */
bool look_proves_sleep(const struct process *process, const struct look *before);

/*
 * True when the very thread of `before` (not a later one with its id), which was asleep then and is
 * known to have been until the end of that look, has not run since.
 */
bool look_slept_on(const struct process *process, const struct look *before);

/*
 * The same through a descriptor of ours for the thread's counter, which look_open_counter opened
 * soon after that look: it answers for this thread alone, with ESRCH after its end. -1: the kernel
 * has no such counter, or the thread has run since.
 */
int look_open_counter(const struct process *process, const struct look *before);
bool look_counter_stands(int counter, const struct look *before);

/*
 * Registers and system call of a sleeping thread, from `look->call`. False: that text shows none.
 */
bool look_registers(const struct look *look, struct thread_snapshot *ret);

/* The name of the very thread of `before` now; what is in the buffer stays when it has ended. */
void look_name(const struct process *process, const struct look *before, char *buffer, size_t size);

/* /proc/TID/wchan into a buffer, "" when there is none. */
void look_wait_channel(const struct process *process, pid_t tid, char *buffer, size_t size);

#endif
