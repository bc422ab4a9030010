/* For who does not get Python's lock: the thread that has it, and what that does. */
#ifndef SRC_PYTHON_GIL_H
#define SRC_PYTHON_GIL_H

#include "injector/process.h"

#include <stddef.h>

/*
 * "thread 123 (worker) holds it, and is in read()": found from outside, without
 * touching anything, and the same at two looks. "" where it is not known; nothing is guessed.
 */
void python_gil_describe(const struct process *process, char *text, size_t size);

#endif
