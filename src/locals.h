/*
 * The values of all frames of a report (--locals). Those of blocked threads are read while they
 * sleep; a thread with a value that only a stop would show is stopped for its registers, and no
 * other.
 */
#ifndef SRC_LOCALS_H
#define SRC_LOCALS_H

#include "src/dump.h"

/*
 * Fills in the `values` of the frames of a report whose frames are named. Threads that had to be
 * stopped for it are unwound and named anew. `unwinder` is that of the report's snapshot.
 */
struct error *locals_collect(struct report *report, struct unwinder *unwinder,
                             const struct dump_options *options,
                             const struct snapshot_options *how) MUST_CHECK;

#endif
