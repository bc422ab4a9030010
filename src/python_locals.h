/*
 * The variables of Python frames with their values (--locals), read from memory: no code runs in
 * the target for them.
 */
#ifndef SRC_PYTHON_LOCALS_H
#define SRC_PYTHON_LOCALS_H

#include "injector/error.h"
#include "injector/python.h"
#include "src/variables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the memory that they are read from stands to the thread. */
struct python_locals_source {
    const struct process *process;
    const struct python_memory *frames, *values; /* what the two are read from */
    bool has_locals; /* false: it is of another moment than the frames, so it is not asked */
    bool is_copy;    /* made while the thread was stopped: what is not in it was not copied */
};

/*
 * Reads the variables of all frames of a stack: *ret is an array of stack->count entries, NULL
 * where they cannot be read. It and its entries are the caller's.
 */
struct error *python_locals_read(const struct python *python,
                                 const struct python_locals_source *source,
                                 const struct python_stack *stack,
                                 struct frame_variables ***ret) MUST_CHECK;

/* Reads what python_locals_read would, and forgets it: for a memory that keeps what is read while a
   thread is stopped. Allocates nothing. `thread` is the address of its PyThreadState. */
void python_locals_touch(const struct python *python, const struct python_memory *memory,
                         uint64_t thread, size_t max_frames);

#endif
