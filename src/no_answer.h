/*
 * Why a manhole that is there does not answer: what /proc shows of its process.
 */
#ifndef SRC_NO_ANSWER_H
#define SRC_NO_ANSWER_H

#include "injector/error.h"
#include "injector/process.h"

/* ERROR_DEADLINE, with the cause where it shows: the process is stopped, or has no descriptor left
   for a client. `process` may be NULL (nobody knows whose socket it is). */
struct error *no_answer(const struct process *process, const char *path) MUST_CHECK;

#endif
