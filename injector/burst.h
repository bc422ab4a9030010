/*
 * Stops threads of a target for one short moment, copies their registers and stacks, or has
 * something done meanwhile, and lets them go. All of it happens in a helper process (helper.h): its
 * end, however it comes, releases every thread; when we are killed it lets them go at once, each
 * with its EINTR repair; and we kill it when the moment gets too long.
 */
#ifndef INJECTOR_BURST_H
#define INJECTOR_BURST_H

#include "injector/arch/arch.h"
#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct burst_request {
    const pid_t *tids;  /* ascending */
    const bool *urgent; /* of each: it is interrupted before those that are not */
    size_t count;
    bool whole_process;      /* look for threads born meanwhile, until all are stopped */
    const struct maps *maps; /* where stacks end */
    size_t stack_limit;      /* bytes copied per thread at most */
    size_t stack_space;      /* bytes for all stacks together */
    uint64_t max_pause_us;
    /*
     * Called for each thread that stands, in the helper, when its stack has been copied: copies
     * more of it into memory that is shared with the helper (mmap(2), MAP_SHARED), until the
     * deadline. It allocates nothing. May be NULL.
     */
    void (*copy_more)(void *context, const struct process *process, pid_t tid, deadline_t deadline);
    /* Called before anything is stopped, in the helper: touches the memory that it will copy to,
       each page of which costs a fault. May be NULL. */
    void (*prepare_copy)(void *context);
    void *copy_context;
    /*
     * Instead of copying stacks: called in this process when every thread of a whole process
     * stands, and those stand until it returns, at most until nine tenths of max_pause_us are over.
     * May be NULL. Of `spared` (`spared_count` of them) none is stopped.
     */
    void (*held)(void *context);
    void *context;
    const pid_t *spared;
    size_t spared_count;
};

enum burst_outcome {
    BURST_REFUSED, /* PTRACE_SEIZE failed with `errnum` */
    BURST_LATE,    /* it did not stop: it sleeps uninterruptibly */
    BURST_CUT,     /* it stopped when the burst was over already, and was let go at once */
    BURST_GONE,    /* it has ended */
    BURST_STOPPED, /* `regset` is true */
};

struct burst_thread {
    pid_t tid;
    enum burst_outcome outcome;
    int errnum;
    bool urgent, interrupted; /* private to the helper */
    bool group_stopped;       /* SIGSTOP had stopped it before us */
    bool copied;              /* its stack was copied while it stood */
    struct arch_regset regset;
    uint64_t stack_start;
    size_t stack_size;
    size_t stack_offset; /* into burst.stacks */
};

struct burst {
    struct burst_thread *threads; /* those asked for, in order, then those born meanwhile */
    size_t count;
    const uint8_t *stacks;
    uint64_t pause_us; /* from the first interrupt to the last release */
    bool cut;          /* max_pause_us ended it before every thread was stopped and copied */
    bool held;         /* all stood from before the call of `held` until it had returned */

    void *shared; /* private: what lies under the above */
    size_t shared_size;
};

/* Errors: ERROR_PARTIAL when there is no memory or process for it. Threads fail one by one. */
struct error *burst_run(const struct process *process, const struct burst_request *request,
                        struct burst *ret) MUST_CHECK;
void burst_deinit(struct burst *burst);

#endif
