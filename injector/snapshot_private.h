/* What snapshot.c, which takes a snapshot, shares with snapshot_sleep.c: what proves its sleepers'
   sleep, and lasts until the next look at the same process. */
#ifndef INJECTOR_SNAPSHOT_PRIVATE_H
#define INJECTOR_SNAPSHOT_PRIVATE_H

#include "injector/look.h"
#include "injector/pages.h"
#include "injector/sleepers.h"
#include "injector/snapshot.h"

/* Hangs on the public struct. */
struct page_cache {
    struct page_table *table;
    struct look *looks;        /* of threads[i], the one that proved its sleep */
    struct sleepers *sleepers; /* for the look that follows; NULL: none does */
    bool borrowed_maps;        /* maps is the caller's */
    bool held;                 /* the caller holds the thread stopped: no read is newer */
};

/* Whether the frames that are known of the look before can hold in this one, as far as its maps
   tell: in other code they mean something else. */
bool snapshot_follows(const struct snapshot *snapshot, const struct snapshot *before);

/*
 * The thread of options->before with that id, if it may have slept on since and its frames are
 * known; or NULL. Asked for ascending ids: `*at` is where the search has come to, first 0.
 */
const struct thread_snapshot *snapshot_sleeper_before(const struct snapshot_options *options,
                                                      pid_t tid, size_t *at);

/* True when that thread has not run since. */
bool snapshot_slept_on(const struct snapshot *before, const struct thread_snapshot *thread);

/* Then it is described as it was there. */
void snapshot_take_over(const struct thread_snapshot *thread, struct thread_snapshot *ret);

/* Makes a snapshot, of which nothing changes any more, the one before the next. */
struct error *snapshot_prepare_next(struct snapshot *snapshot, struct snapshot *before) MUST_CHECK;

#endif
