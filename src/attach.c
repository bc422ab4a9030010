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
#include "src/python.h"
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

/*
 * What the console speaks. Python where it is asked for, or nobody asked and there is an
 * interpreter: then it is greeted too. *ret is an exit status, 0: go on.
 */
static void choose_language(struct evaluator *evaluator, const struct options *options, int *ret)
{
    struct session_answer answer;
    if (options->language == LANGUAGE_C ||
        (options->language == LANGUAGE_BY_TARGET && options->read_only))
        return;
    struct error *error = evaluator_speak_python(evaluator, &answer);
    if (error && options->language == LANGUAGE_BY_TARGET) {
        error_destroy(error); /* whatever answers there knows no Python */
        return;
    }
    if (error) {
        *ret = message_error(error);
        return;
    }
    if (answer.outcome == MANHOLE_DONE)
        return;
    if (options->language == LANGUAGE_PYTHON)
        *ret = message_error(error_create(ERROR_UNSUPPORTED, 0, "--lang python: %s", answer.text));
    else if (answer.outcome != MANHOLE_UNKNOWN)
        message_note("no Python console: %s", answer.text);
}

/* The stacks of Python's threads and its banner; without them, C is spoken. */
static void greet_in_python(struct evaluator *evaluator)
{
    struct session_answer answer;
    struct error *error = python_greet(evaluator->session, &answer);
    if (!error && answer.outcome == MANHOLE_DONE)
        return;
    evaluator->is_python = false;
    if (error)
        message_error(error);
    else
        message_note("no Python console: %s; '.py' tries again", answer.text);
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
    int status = 0;
    choose_language(&evaluator, options, &status);
    if (status) {
        session_leave(&session);
    } else if (is_interactive(options)) {
        if (evaluator.is_python)
            greet_in_python(&evaluator);
        if (!evaluator.is_python)
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
