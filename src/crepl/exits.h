/*
 * exit(3) and its kin, called by what the user typed: they end that, and the program goes on. The
 * names are bound to functions of ours, which are put into the target when they are first used;
 * those of the program that call exit() themselves are not held by that. On other threads, and in
 * children that the session's thread forked, ours call the real ones.
 */
#ifndef SRC_CREPL_EXITS_H
#define SRC_CREPL_EXITS_H

#include "injector/module.h"
#include "src/crepl/loader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXITS_COUNT 4

struct exits {
    struct one_exit {
        uint64_t address; /* of ours; 0: it was not used yet */
        uint64_t calls;   /* where it counts its calls in the session's thread, a uint64_t */
        uint64_t seen;    /* calls that were told */
    } all[EXITS_COUNT];
};

/* True for the names of functions that end the process. */
bool exits_has(const char *name);

/*
 * The address of ours for the function `name`, which is at `real`. In the answer: MANHOLE_FAILED,
 * and why there is none.
 */
struct error *exits_find(struct exits *exits, struct loader *loader, struct modules *modules,
                         const char *name, uint64_t real, uint64_t *ret,
                         struct session_answer *answer) MUST_CHECK;

/* After code that was cut off by a signal: says so in the answer if it was one of ours. */
void exits_explain(struct exits *exits, const struct process *process,
                   struct session_answer *answer);

#endif
