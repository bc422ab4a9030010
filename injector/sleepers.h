/*
 * From one look at a process to the next: which threads have slept on all the time between, at the
 * price of one small read for each. A thread that was asleep has not run since as long as the
 * counter of its runs stands still, so its registers are those of then, and so are the frames on
 * its stack: what lies at and above the stack pointer of a sleeping thread is nobody else's to use.
 * Others may still write to variables there whose address they were given: frames last, values do
 * not.
 */
#ifndef INJECTOR_SLEEPERS_H
#define INJECTOR_SLEEPERS_H

#include "injector/look.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>

struct sleepers;

/*
 * Which threads can be watched: all but the leader. After an execve(2) by another thread that one
 * has the leader's id and start time (fs/exec.c, de_thread), and may be asleep after as many runs.
 */
static inline bool sleepers_can_watch(const struct process *process, pid_t tid)
{
    return tid != process->pid;
}

/*
 * For the threads of one snapshot, by their index there; of none of them a counter is open yet. At
 * most half of the files that we may have open are used for counters. NULL without memory.
 */
struct sleepers *sleepers_create(size_t count);
void sleepers_destroy(struct sleepers *sleepers);

/*
 * Opens the counter of a thread that `look` proved to be asleep. Where it does not, because there
 * are too many or the thread has ended, sleepers_slept_on opens what it reads each time.
 */
void sleepers_keep(struct sleepers *sleepers, size_t index, const struct process *process,
                   const struct look *look);

/* Hands a counter on to the snapshot that follows. */
void sleepers_pass_on(struct sleepers *from, size_t from_index, struct sleepers *to,
                      size_t to_index);

/* True when the very thread that `look` proved to be asleep has not run since. */
bool sleepers_slept_on(struct sleepers *sleepers, size_t index, const struct process *process,
                       const struct look *look);

#endif
