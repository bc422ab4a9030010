/*
 * Addresses that only the target itself can tell: of functions that choose their implementation
 * when the program starts (indirect functions), and of thread-local variables in the session's
 * thread. Small pieces of code ask there, once for each.
 */
#ifndef SRC_CREPL_LINKAGE_H
#define SRC_CREPL_LINKAGE_H

#include "injector/error.h"
#include "src/crepl/declare.h"
#include "src/crepl/exits.h"
#include "src/crepl/loader.h"

#include <stdint.h>
#include <sys/types.h>

/* An answer of the target. */
struct linkage_answer {
    uint64_t question; /* the resolver's address; or that of the module */
    uint64_t address;
};

struct linkage {
    struct linkage_answer *functions, *blocks, *modules;
    size_t function_count, block_count, module_count;
    pid_t thread; /* whose thread-local variables are wanted; 0: the session's own */
    struct exits exits;
};

void linkage_deinit(struct linkage *linkage);

/* After a fault the session may have another thread: its thread-local variables are others. */
void linkage_forget_thread(struct linkage *linkage);

/* The address of a binding. In the answer: MANHOLE_FAILED and why, when there is none. */
struct error *linkage_find(struct linkage *linkage, struct loader *loader, struct modules *modules,
                           const struct binding *binding, uint64_t *address,
                           struct session_answer *ret) MUST_CHECK;

#endif
