/*
 * Where a thread of the target keeps the thread-local variables of a module: its thread pointer
 * leads to a vector with one entry for each module. To ask for the pointer the thread is stopped
 * for a moment (injector/burst.h).
 */
#ifndef SRC_CREPL_THREAD_BLOCK_H
#define SRC_CREPL_THREAD_BLOCK_H

#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_block_question {
    const struct process *process;
    const struct maps *maps;
    pid_t tid;
    uint64_t module; /* the number that the C library has given it (dl_iterate_phdr(3)) */
    bool is_glibc;   /* else musl */
    uint64_t max_pause_us;
};

/* *ret is the address; 0: there is none, and *why says it ("thread 7 has ended"; malloc'ed). */
struct error *thread_block_find(const struct thread_block_question *question, uint64_t *ret,
                                char **why) MUST_CHECK;

#endif
