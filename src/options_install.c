#include "src/options_install.h"

#include "payload/manhole.h"
#include "src/options_parse.h"
#include "src/signal_names.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_TIMEOUT_US (UINT64_C(5) * US_PER_S)
#define LONGEST_DELAY_US (UINT64_C(86400) * US_PER_S)
#define PAYLOAD_TEXT(field) sizeof(((struct manhole_options *)NULL)->field)

void options_set_install_defaults(struct install_options *options)
{
    const struct manhole_options payload = MANHOLE_OPTIONS_DEFAULT;
    *options = (struct install_options){
        .sigmask = payload.sigmask,
        .reinstall_delay_us = payload.reinstall_delay_ms * (uint64_t)US_PER_MS,
        .start_timeout_us = payload.start_timeout_ms * (uint64_t)US_PER_MS,
        .timeout_us = DEFAULT_TIMEOUT_US,
    };
}

void options_deinit_install(struct install_options *options)
{
    free(options->locals);
    options->locals = NULL;
}

/* Checks a path that the target will open: relative to our directory it would mean another file. */
static struct error *check_target_path(const char *option, const char *path)
{
    if (path[0] != '/')
        return error_create(ERROR_USAGE, 0,
                            "%s %s: give a full path, beginning with / (the target's directory "
                            "is not yours)" TRY_HELP,
                            option, path);
    return NULL;
}

static struct error *parse_socket_path(const char *text, const char **ret)
{
    size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (strlen(text) > longest)
        return error_create(ERROR_USAGE, 0,
                            "--socket-path: %zu bytes are too long, a socket's path has at most "
                            "%zu" TRY_HELP,
                            strlen(text), longest);
    *ret = text;
    return check_target_path("--socket-path", text);
}

static struct error *parse_verbose_destination(const char *text, const char **ret)
{
    *ret = text;
    if (parse_is_number(text) && strlen(text) <= 9)
        return NULL;
    if (text[0] == '/' && strlen(text) < PAYLOAD_TEXT(verbose_path))
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "--verbose-destination %s: give the number of an open file of the target, "
                        "or a full path" TRY_HELP,
                        text);
}

/* Those that cannot be caught, and those of faults, which the console needs for itself. */
static bool is_unfit(int signal)
{
    static const int unfit[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                SIGILL,  SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++)
        if (unfit[i] == signal)
            return true;
    return signal > SIGSYS && signal < SIGRTMIN;
}

struct error *options_take_signal(const char *option, const char *text, int *ret)
{
    *ret = signal_number(text);
    if (!*ret)
        return error_create(ERROR_USAGE, 0,
                            "%s %s: no such signal; USR1 and USR2 are usual" TRY_HELP, option,
                            text);
    if (is_unfit(*ret))
        return error_create(ERROR_USAGE, 0,
                            "%s %s: that signal cannot be used; USR1 and USR2 are usual" TRY_HELP,
                            option, text);
    return NULL;
}

static struct error *parse_sigmask(const char *text, uint64_t *ret)
{
    *ret = strcmp(text, "all") == 0 ? MANHOLE_ALL_SIGNALS : 0;
    if (*ret || strcmp(text, "none") == 0)
        return NULL;
    for (const char *word = text;; word += strcspn(word, ",") + 1) {
        char name[16];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, ","), word);
        int signal = signal_number(name);
        if (!signal)
            return error_create(ERROR_USAGE, 0,
                                "--sigmask %s: give signals with commas between them, all, or "
                                "none" TRY_HELP,
                                text);
        *ret |= UINT64_C(1) << (signal - 1);
        if (!word[strcspn(word, ",")])
            return NULL;
    }
}

/* Seconds; 0 is one, too. */
static struct error *parse_delay(const char *option, const char *text, uint64_t *ret)
{
    *ret = 0;
    if (strcmp(text, "0") == 0 || parse_decimal(text, US_PER_S, LONGEST_DELAY_US, ret))
        return NULL;
    return error_create(ERROR_USAGE, 0, "%s %s: give seconds, at most %d" TRY_HELP, option, text,
                        (int)(LONGEST_DELAY_US / US_PER_S));
}

static bool is_name(const char *text, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return length > 0 && strspn(text, letters) >= length && !(text[0] >= '0' && text[0] <= '9');
}

static struct error *add_local(const char *text, char **locals)
{
    size_t name = strcspn(text, "=");
    if (!is_name(text, name) || !text[name] || !text[name + 1] || strchr(text, ','))
        return error_create(ERROR_USAGE, 0,
                            "--local %s: give NAME=EXPRESSION, the name being one that C "
                            "allows" TRY_HELP,
                            text);
    char *joined;
    if (asprintf(&joined, "%s%s%s", *locals ? *locals : "", *locals ? "," : "", text) < 0)
        return error_no_memory();
    free(*locals);
    *locals = joined;
    if (strlen(joined) < PAYLOAD_TEXT(locals))
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "--local: all of them together take %zu bytes at most" TRY_HELP,
                        PAYLOAD_TEXT(locals) - 1);
}

static struct error *parse_handler(const char *text, const char **ret)
{
    const char *colon = strrchr(text, ':');
    bool known = strcmp(text, "console") == 0 || strcmp(text, "exec") == 0;
    *ret = text;
    if (known ||
        (text[0] == '/' && colon && colon[1] && strlen(text) < PAYLOAD_TEXT(connection_handler)))
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "--connection-handler %s: give console, exec, or /PATH/TO.so:FUNCTION (as "
                        "the target sees it)" TRY_HELP,
                        text);
}

struct error *options_take_install(enum install_option option, const char *value,
                                   struct install_options *options)
{
    options->configured |= option != INSTALL_QUIET && option != INSTALL_REPLACE;
    switch (option) {
    case INSTALL_QUIET:
        options->quiet = true;
        return NULL;
    case INSTALL_VERBOSE_DESTINATION:
        return parse_verbose_destination(value, &options->verbose_destination);
    case INSTALL_REPLACE:
        options->replace = true;
        return NULL;
    case INSTALL_NO_PATCH_FORK:
        options->no_patch_fork = true;
        return NULL;
    case INSTALL_ACTIVATE_ON:
        return options_take_signal("--activate-on", value, &options->activate_on);
    case INSTALL_ONESHOT_ON:
        return options_take_signal("--oneshot-on", value, &options->oneshot_on);
    case INSTALL_NO_THREAD:
        options->no_thread = true;
        return NULL;
    case INSTALL_SIGMASK:
        return parse_sigmask(value, &options->sigmask);
    case INSTALL_SOCKET_PATH:
        return parse_socket_path(value, &options->socket_path);
    case INSTALL_REINSTALL_DELAY:
        return parse_delay("--reinstall-delay", value, &options->reinstall_delay_us);
    case INSTALL_START_TIMEOUT:
        return parse_delay("--start-timeout", value, &options->start_timeout_us);
    case INSTALL_LOCAL:
        return add_local(value, &options->locals);
    case INSTALL_DAEMON_CONNECTION:
        options->daemon_connection = true;
        return NULL;
    case INSTALL_NO_REDIRECT_STDERR:
        options->no_redirect_stderr = true;
        return NULL;
    case INSTALL_REDIRECT:
        options->redirect = true;
        return NULL;
    case INSTALL_CONNECTION_HANDLER:
        return parse_handler(value, &options->connection_handler);
    }
    return NULL;
}

struct error *options_check_install(const struct install_options *options)
{
    if (options->quiet && options->verbose_destination)
        return error_create(ERROR_USAGE, 0,
                            "--quiet and --verbose-destination contradict each other" TRY_HELP);
    if (options->activate_on && options->activate_on == options->oneshot_on)
        return error_create(ERROR_USAGE, 0,
                            "--activate-on and --oneshot-on contradict each other: both on "
                            "%s" TRY_HELP,
                            signal_name(options->activate_on));
    return NULL;
}
