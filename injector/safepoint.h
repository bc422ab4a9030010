/*
 * May this thread be borrowed to call pthread_create (DESIGN.md section 5, step 2)? pthread_create
 * allocates memory and takes locks of the C library and of the loader: a thread that is inside
 * malloc, dlopen or fork would deadlock with itself or break the heap. So this asks for proof: a
 * stack that unwinds to its end by unwind tables, on which the C library appears only where nothing
 * is half done.
 */
#ifndef INJECTOR_SAFEPOINT_H
#define INJECTOR_SAFEPOINT_H

#include "injector/arch/arch.h"
#include "injector/error.h"
#include "injector/linkmap.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct safepoint;

/* Borrows all three. */
struct error *safepoint_create(struct process *process, struct maps *maps, struct linkmap *linkmap,
                               struct safepoint **ret) MUST_CHECK;
void safepoint_destroy(struct safepoint *safepoint);
void safepoint_cleanup(struct safepoint **safepoint);
#define CLEANUP_SAFEPOINT __attribute__((cleanup(safepoint_cleanup)))

/*
 * What can be known of a thread before it is stopped, so that the stop is short: reads the unwind
 * tables that judging it will take, and if it sleeps, judges it where it sleeps. NULL: it is worth
 * a stop. Else static text as that of safepoint_judge: it sleeps where it must not be borrowed.
 */
const char *safepoint_prepare(struct safepoint *safepoint, pid_t tid);

/* A loan_gate: `context` is a struct safepoint *. NULL: yes. Else static text that completes "a
   thread was ...". */
const char *safepoint_judge(void *context, pid_t tid, const struct arch_regset *regset);

struct candidate {
    pid_t tid;
    int score; /* less is better; see safepoint_rank */
};

#define CANDIDATE_UNFIT 1000 /* from this score on a thread cannot be borrowed now */

/*
 * The threads in the order in which to try them, by what /proc shows without stopping any: asleep
 * in a plain call first; what the new thread would inherit (real-time scheduling, a seccomp filter)
 * counts against one. *ret is malloc'ed. `filtered` (may be NULL): threads under seccomp.
 */
struct error *safepoint_rank(const struct process *process, struct candidate **ret, size_t *count,
                             size_t *filtered) MUST_CHECK;

#endif
