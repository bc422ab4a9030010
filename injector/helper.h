/*
 * A process of ours that traces threads of the target in our place, for a short time. It does not
 * die with us: whoever kills us in the middle (kill -9) leaves it to put right what it had begun,
 * and to end. Otherwise a stopped thread would lose its EINTR repair, and one that was just taken
 * would lose its way.
 */
#ifndef INJECTOR_HELPER_H
#define INJECTOR_HELPER_H

#include "injector/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct helper {
    pid_t pid;    /* 0: this is the helper */
    int alive_fd; /* ready to read when the helper has ended; -1 in the helper, which keeps the
                     other end open */
};

/*
 * fork(2), to be called by a thread that outlives the helper. The helper has a process group of its
 * own, all signals blocked but the ones below, and must end with _exit(2). Errors: ERROR_PARTIAL,
 * with what could not be started called `purpose` ("no running thread can be looked at").
 */
struct error *helper_start(const char *purpose, struct helper *ret) MUST_CHECK;

/* Waits for its end, which must be near, and frees what helper_start has made. */
void helper_end(struct helper *helper);

/* --- In the helper. --- */

/* The process that started it has ended: nobody waits any more, so put things right and end. */
bool helper_is_orphan(void);

/*
 * How long an orphan may take from then on (us) until the kernel ends it, wherever it is: nobody
 * else would. Until the next call; at first there is no limit.
 */
void helper_limit_orphan(uint64_t us);

#endif
