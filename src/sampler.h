/*
 * Looks at targets again and again (--count, --interval): all of them at each tick. Between ticks
 * nothing is held of a target but descriptors; each look costs it what a single dump does.
 */
#ifndef SRC_SAMPLER_H
#define SRC_SAMPLER_H

#include "src/dump.h"
#include "src/samples.h"

/* What became of one target. */
struct sampled {
    struct process *process; /* NULL: it could not be opened */
    struct report *report;   /* of the last look that worked; NULL: none did */
    struct samples *samples; /* sorted; NULL: no look worked */
    bool ended;              /* no further look is to be had */
    bool whole;              /* a look gave frames of all threads */
    int status;              /* exit status: 0, ERROR_PARTIAL, or why there is nothing */
};

/*
 * Takes options->dump.count samples of every target, as long as it lives; SIGINT or SIGTERM ends
 * that after the look that is going on, a second one ends the program. Errors are printed as they
 * happen. *ret has options->target_count entries.
 */
struct error *sampler_run(const struct options *options, struct sampled **ret) MUST_CHECK;
void sampler_destroy(struct sampled *sampled, size_t count);

#endif
