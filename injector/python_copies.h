/*
 * Python frames of threads that are stopped for a moment, copied while they stand: all pages that
 * reading them touches. The copy is made in the helper process of a burst (injector/burst.h) and
 * read here afterwards, when the threads run again.
 */
#ifndef INJECTOR_PYTHON_COPIES_H
#define INJECTOR_PYTHON_COPIES_H

#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/process.h"
#include "injector/python.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct python_copies;

/*
 * More that is to be copied of a thread, given as the address of its PyThreadState: reads it by
 * `memory`, which fails when the time or the room for it is used up. Allocates nothing.
 */
typedef void python_copies_touch(const struct python *python, const struct python_memory *memory,
                                 uint64_t thread, size_t max_frames);

/*
 * For threads as they are listed now; others are not copied. `expected`: how many are going to be
 * stopped, as far as that is known. `more` may be NULL; of the time that is left after the frames
 * it gets a part only, so that something is left for the next thread. Owns none of what it is
 * given: `python` and `threads` must outlive it.
 */
struct error *python_copies_create(const struct python *python,
                                   const struct python_threads *threads, size_t expected,
                                   size_t max_frames, python_copies_touch *more,
                                   struct python_copies **ret) MUST_CHECK;
void python_copies_destroy(struct python_copies *copies);

/* For struct burst_request: `context` is the copies. */
void python_copies_prepare(void *context);

/*
 * Copies what the frames of one thread are made of, as far as the deadline allows. For struct
 * burst_request: called while the thread stands, in a process that shares `context`, the copies.
 */
void python_copies_take(void *context, const struct process *process, pid_t tid,
                        deadline_t deadline);

/*
 * The memory of a thread as it was when it was last copied; what is read of it is kept in a
 * recording of the process. False: it was not. `frames` is for what only the thread itself changes;
 * `more` fails where threads that were not stopped changed something while it was copied, and says
 * so (`changed`). Both are good until the next call.
 */
bool python_copies_memory(struct python_copies *copies, const struct process *process, pid_t tid,
                          struct python_memory *frames, struct python_memory *more);

#endif
