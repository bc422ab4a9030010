/*
 * Waking a manhole that is installed and sleeps until a signal comes (--activate-on, --oneshot-on):
 * the signal is sent, and then its socket waited for. Nothing is injected.
 */
#ifndef SRC_WAKE_H
#define SRC_WAKE_H

#include "injector/error.h"
#include "injector/process.h"
#include "src/locate.h"

#include <stdint.h>

/*
 * Where the manhole listens; at once, without a signal, if it does already. `signal` is sent only
 * to a process that has libmanhole loaded and catches that signal (proc(5), SigCgt): its default
 * action would be the end of most others. Waits `timeout_us` at most.
 *
 * Errors: ERROR_STATE (no manhole, or the signal is not caught), ERROR_DEADLINE (sent, but nobody
 * listens), ERROR_NO_PROCESS (it has ended), ERROR_NOT_PERMITTED, and those of locate_manhole.
 */
struct error *wake_manhole(const struct process *process, int signal, uint64_t timeout_us,
                           struct manhole_place *ret) MUST_CHECK;

#endif
