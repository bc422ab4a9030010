/*
 * manhole-attach PID: install if needed, connect, show the stacks, then the console. The same way
 * --eval, --file and a standard input that is no terminal run their commands.
 */
#include "injector/deadline.h"
#include "src/connect.h"
#include "src/console.h"
#include "src/dump.h"
#include "src/evaluate.h"
#include "src/installer.h"
#include "src/message.h"
#include "src/script.h"
#include "src/session.h"
#include "src/verbs.h"
#include "src/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How often to see whether a socket has come. */
#define LOOK_AGAIN_MS 20

/* The manhole of a process, installed if it has none, and connected. */
static struct error *install_and_connect(struct connection *connection,
                                         const struct install_options *options)
{
    struct installation installation;
    struct error *error = installer_install(connection->process, options, &installation);
    if (!error && installation.was_there)
        error = installer_compare(connection->process, options, &installation);
    if (!error && installation.sleeps_until[0])
        error = installer_explain_sleep(connection->process, &installation);
    if (error)
        return error;
    installer_tell(connection->process, &installation);
    return client_connect(connection->process, installation.place.socket_path,
                          deadline_after_us(CONNECT_TIMEOUT_US), &connection->client);
}

/* The manhole that is there, by the signal it waits for. */
static struct error *wake_and_connect(struct connection *connection, const struct options *options)
{
    struct manhole_place place;
    struct error *error =
        wake_manhole(connection->process, options->signal, options->install.timeout_us, &place);
    if (error)
        return error;
    return client_connect(connection->process, place.socket_path,
                          deadline_after_us(CONNECT_TIMEOUT_US), &connection->client);
}

/* A socket given by path may be about to come: of a forked child, say, or after a signal. */
static struct error *open_when_there(const struct options *options, struct connection *ret)
{
    const struct target *target = &options->targets[0];
    deadline_t deadline = deadline_after_us(options->socket_wait_us);
    for (;;) {
        struct error *error = connection_open(target, ret);
        bool may_come = error && target->socket_path &&
                        (error->errnum == ENOENT || error->errnum == ECONNREFUSED);
        if (!may_come || deadline_passed(deadline))
            return error;
        error_destroy(error);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
}

static struct error *open_console(const struct options *options, struct connection *ret)
{
    struct error *error = script_check(options);
    if (!error)
        error = open_when_there(options, ret);
    if (!error && !ret->client)
        error = options->signal ? wake_and_connect(ret, options)
                                : install_and_connect(ret, &options->install);
    if (!error)
        error = client_greet(ret->client, deadline_after_us(CONNECT_TIMEOUT_US));
    return error;
}

/* A prompt needs a terminal at both ends, and nobody who wants documents. */
static bool is_interactive(const struct options *options)
{
    return !options->script_count && options->dump.format != FORMAT_JSON && isatty(STDIN_FILENO) &&
           (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO));
}

/* The stacks and the banner: what the user sees before the first prompt. */
static void greet_user(const struct connection *connection, struct terminal *out)
{
    if (connection->process) {
        struct error *error =
            dump_stacks(connection->process, stdout, message_colour_wanted(STDOUT_FILENO));
        /* Without the right to trace the console still works. */
        if (error)
            message_error(error);
    }
    const char *banner = client_banner(connection->client);
    terminal_write(out, banner, strlen(banner));
    terminal_end_line(out);
}

int attach_run(const struct options *options)
{
    CLEANUP_CONNECTION struct connection connection = {0};
    struct error *error = open_console(options, &connection);
    if (error)
        return message_error(error);

    struct terminal out;
    terminal_init(&out, stdout);
    struct session session = {
        .client = connection.client,
        .process = connection.process,
        .symbols = symbol_names_create(connection.process),
        .out = &out,
        .signal_fd = -1,
        .max_pause_us = options->dump.max_pause_us,
        .read_only = options->read_only,
    };
    struct evaluator evaluator = {.session = &session};
    int status;
    if (is_interactive(options)) {
        greet_user(&connection, &out);
        status = console_run(&evaluator, client_peer(connection.client)->pid,
                             connection.process ? connection.process->name : "?",
                             isatty(STDOUT_FILENO) ? stdout : stderr);
    } else {
        status = script_run(&evaluator, options);
    }
    evaluator_deinit(&evaluator);
    symbol_names_destroy(session.symbols);
    return status;
}
