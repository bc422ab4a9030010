/*
 * What a manhole-attach that was killed in the middle of a loan has left in the target: code in
 * caves, and the memory of the loan. It does no harm there, but the next one cleans it up, once it
 * is proved that no thread is in it. Only while holding process_lock, so that nobody is in the
 * middle of a loan now.
 */
#ifndef INJECTOR_LEFTOVER_H
#define INJECTOR_LEFTOVER_H

#include "injector/linkmap.h"
#include "injector/loan.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stddef.h>

/* Finds up to `max` sites of this very build. Returns how many. Stops nothing. */
size_t leftover_find(struct process *process, const struct maps *maps,
                     const struct linkmap *linkmap, struct loan_site *sites, size_t max);

enum leftover {
    LEFTOVER_BUSY,   /* a thread may still be in it: ask again later */
    LEFTOVER_CODE,   /* only the caves are to be cleared */
    LEFTOVER_REGION, /* the memory is there too: LOAN_UNMAP with this site */
};

/*
 * Stops the thread that was borrowed, if it lives, for a moment to see where it is. Asks a
 * bootstrap thread that still waits for orders to give up.
 */
enum leftover leftover_check(const struct loan_site *site);

#endif
