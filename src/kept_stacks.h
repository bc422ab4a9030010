/*
 * Of repeated looks at one target: the frames of threads that have slept on since the look before
 * are taken from its report, so that neither their stacks are copied nor unwound again. Why they
 * are still true says injector/sleepers.h.
 */
#ifndef SRC_KEPT_STACKS_H
#define SRC_KEPT_STACKS_H

#include "injector/error.h"
#include "src/dump.h"

#include <stdbool.h>

/* True when frames of that look may be kept at all. */
bool kept_stacks_wanted(const struct report *before, const struct dump_options *options);

/* True when the frames of a thread, and their names, hold while it sleeps: report_thread.lasting.
 */
bool kept_stacks_last(const struct report_thread *thread);

/* Of each thread, whether that is so; *ret is malloc'ed. For snapshot_options.frames_known. */
struct error *kept_stacks_list(const struct report *before, bool **ret) MUST_CHECK;

/* Marks the threads as `kept` whose frames `before` (may be NULL) has: they need no others. */
void kept_stacks_find(struct report *report, const struct report *before);

/* Moves those frames over. */
void kept_stacks_move(struct report *report, struct report *before);

#endif
