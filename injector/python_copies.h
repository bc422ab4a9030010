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
 * For threads as they are listed now; others are not copied. `expected`: how many are going to be
 * stopped, as far as that is known. Owns none of what it is given: `python` and `threads` must
 * outlive it.
 */
struct error *python_copies_create(const struct python *python,
                                   const struct python_threads *threads, size_t expected,
                                   size_t max_frames, struct python_copies **ret) MUST_CHECK;
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
 * recording of the process. False: it was not. `*ret` is good until the next call.
 */
bool python_copies_memory(struct python_copies *copies, const struct process *process, pid_t tid,
                          struct python_memory *ret);

#endif
