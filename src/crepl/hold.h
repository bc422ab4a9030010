/*
 * Code that runs in the target while every other thread of it stands. It must only read, and call
 * nothing: a lock that it wanted could be held by one of them.
 */
#ifndef SRC_CREPL_HOLD_H
#define SRC_CREPL_HOLD_H

#include "src/crepl/loader.h"

#include <stddef.h>
#include <stdint.h>

struct hold_report {
    size_t threads;    /* that stood */
    uint64_t pause_us; /* for how long */
};

/*
 * As loader_execute. The threads are stopped by a helper process, whose end, however it comes, lets
 * them go, and stand for at most the session's max_pause_us. Those of the manhole run on. In the
 * answer: MANHOLE_FAILED, and why, when not all could be stopped, or not for long enough.
 */
struct error *hold_execute(struct loader *loader, uint64_t address, struct hold_report *report,
                           struct session_answer *ret) MUST_CHECK;

#endif
