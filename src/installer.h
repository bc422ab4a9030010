/*
 * Installing and uninstalling a manhole: what attach, install and uninstall have in common. The
 * loan itself is injector/inject.h; here are the order of the steps, the lock against others of us,
 * and the words for what the payload answers.
 */
#ifndef SRC_INSTALLER_H
#define SRC_INSTALLER_H

#include "injector/error.h"
#include "injector/inject.h"
#include "injector/process.h"
#include "src/locate.h"
#include "src/options.h"

#include <stdbool.h>

struct installation {
    struct manhole_place place;  /* where it listens now, or will */
    bool was_there;              /* nothing was done: a manhole listened already */
    char sleeps_until[400];      /* it does not listen yet: what wakes it, for people; or "" */
    struct inject_result result; /* of the loan, unless was_there */
};

/*
 * Leaves the target with a manhole: a listening one, or, where the options ask for it, one that
 * sleeps. One that listens already is kept (`was_there`), unless the options ask to replace it.
 * Errors: those of inject_call, and of what the payload answers: ERROR_STATE (the path is taken; a
 * manhole is there and sleeps), ERROR_USAGE (a path that cannot be), ERROR_NOT_PERMITTED.
 */
struct error *installer_install(struct process *process, const struct install_options *options,
                                struct installation *ret) MUST_CHECK;

/* On a terminal: which thread was borrowed for an installation, and how long it was stopped for it.
 */
void installer_tell(const struct process *process, const struct installation *installation);

/*
 * ERROR_STATE when the options ask for something else than the manhole that is there; what cannot
 * be compared (where it logs) counts as something else.
 */
struct error *installer_compare(const struct process *process,
                                const struct install_options *options,
                                const struct installation *installation) MUST_CHECK;

/* ERROR_STATE: what is to be done about a manhole that sleeps. */
struct error *installer_explain_sleep(const struct process *process,
                                      const struct installation *installation) MUST_CHECK;

/* Closes the manhole and unloads it. ERROR_STATE when there is none. */
struct error *installer_uninstall(struct process *process, uint64_t timeout_us,
                                  struct inject_result *ret) MUST_CHECK;

#endif
