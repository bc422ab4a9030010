/* The options of installing: python-manhole's, as long options (DESIGN.md section 3). */
#ifndef SRC_OPTIONS_INSTALL_H
#define SRC_OPTIONS_INSTALL_H

#include "injector/error.h"

#include <stdbool.h>
#include <stdint.h>

struct install_options {
    bool quiet;                      /* the payload logs nowhere */
    const char *verbose_destination; /* FD or PATH inside the target; NULL: nowhere */
    bool replace;
    bool no_patch_fork;
    int activate_on, oneshot_on; /* signals; 0: none */
    bool no_thread;
    uint64_t sigmask;        /* bit n - 1: signal n */
    const char *socket_path; /* NULL: /tmp/manhole-PID of the target */
    uint64_t reinstall_delay_us, start_timeout_us;
    char *locals; /* malloc'ed: NAME=EXPR,NAME=EXPR; NULL: none */
    bool daemon_connection;
    bool no_redirect_stderr;
    bool redirect;
    const char *connection_handler; /* NULL: the console */
    bool configured;                /* one that says how the manhole is to be was given */

    uint64_t timeout_us; /* of the whole injection */
};

/* In the order of their codes, from the first one on. */
enum install_option {
    INSTALL_QUIET,
    INSTALL_VERBOSE_DESTINATION,
    INSTALL_REPLACE,
    INSTALL_NO_PATCH_FORK,
    INSTALL_ACTIVATE_ON,
    INSTALL_ONESHOT_ON,
    INSTALL_NO_THREAD,
    INSTALL_SIGMASK,
    INSTALL_SOCKET_PATH,
    INSTALL_REINSTALL_DELAY,
    INSTALL_START_TIMEOUT,
    INSTALL_LOCAL,
    INSTALL_DAEMON_CONNECTION,
    INSTALL_NO_REDIRECT_STDERR,
    INSTALL_REDIRECT,
    INSTALL_CONNECTION_HANDLER,
};

void options_set_install_defaults(struct install_options *options);
void options_deinit_install(struct install_options *options);

/* Takes one option with its value; strings point to it. ERROR_USAGE. */
struct error *options_take_install(enum install_option option, const char *value,
                                   struct install_options *options) MUST_CHECK;

/* A signal that can open a manhole, by name or number; `option` is for the message. ERROR_USAGE. */
struct error *options_take_signal(const char *option, const char *text, int *ret) MUST_CHECK;

/* What contradicts each other. ERROR_USAGE. */
struct error *options_check_install(const struct install_options *options) MUST_CHECK;

#endif
