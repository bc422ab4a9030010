#include "src/installer.h"

#include "injector/deadline.h"
#include "payload/manhole.h"
#include "src/message.h"
#include "src/payload_file.h"
#include "src/progress.h"
#include "src/signal_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* How long another manhole-attach may work on the same target. */
#define LOCK_WAIT_US 5000000

/* What the payload answered, as an exit status and one line. */
static struct error *explain_status(const struct process *process, int status, const char *message)
{
    static const struct {
        int status;
        enum error_kind kind;
        const char *next;
    } known[] = {
        {MANHOLE_ALREADY_INSTALLED, ERROR_STATE, "attach to it, or install with --replace"},
        {MANHOLE_CONFIGURATION_CONFLICT, ERROR_USAGE, "check the install options"},
        {EADDRINUSE, ERROR_STATE, "choose another path with --socket-path"},
        {ENOENT, ERROR_USAGE, "give a path whose directory exists in the target"},
        {ENOTDIR, ERROR_USAGE, "give a path whose directory exists in the target"},
        {EINVAL, ERROR_USAGE, "check the install options"},
        {ENAMETOOLONG, ERROR_USAGE, "choose a shorter --socket-path"},
        {EISDIR, ERROR_USAGE, "give the path of a socket that is to be made"},
        {EACCES, ERROR_NOT_PERMITTED, "choose a --socket-path where the target may write"},
        {EPERM, ERROR_NOT_PERMITTED,
         "a seccomp filter of the target forbids it, or its directory takes no new files "
         "(--socket-path); --dump works"},
        {EROFS, ERROR_NOT_PERMITTED, "choose a --socket-path where the target may write"},
        {EBUSY, ERROR_STATE, "end what runs in its console, then try again"},
        {ETIMEDOUT, ERROR_DEADLINE, "try again later"},
        {EMFILE, ERROR_PARTIAL, "raise its limit of open files (prlimit --nofile), then try again"},
        {ENOMEM, ERROR_PARTIAL,
         "raise its limits of memory (prlimit --as, --data, --memlock), then try again"},
        {EAGAIN, ERROR_PARTIAL,
         "raise the limit of threads of its user (prlimit --nproc) or control group (pids.max), "
         "then try again"},
        {ENOSPC, ERROR_PARTIAL, "make room, or choose a --socket-path on another disk"},
        {EDQUOT, ERROR_PARTIAL, "make room, or choose a --socket-path on another disk"},
    };
    struct error *ended = process_check_alive(process);
    if (ended)
        return ended;
    enum error_kind kind = ERROR_PARTIAL;
    const char *next = "try again later";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status) {
            kind = known[i].kind;
            next = known[i].next;
        }
    }
    char clean[INJECT_MESSAGE_MAX];
    message_sanitize(message, clean, sizeof(clean));
    return error_create(kind, status, "process %d: %s; %s", process->pid,
                        *clean ? clean : strerror(status), next);
}

/* NULL is the empty text. It fits: options_take_install has seen to that. */
static void copy_text(char *to, const char *text)
{
    strcpy(to, text ? text : "");
}

/* The options as the payload takes them. */
static void encode_options(const struct install_options *options, struct manhole_options *ret)
{
    *ret = (struct manhole_options)MANHOLE_OPTIONS_DEFAULT;
    ret->verbose = !options->quiet && options->verbose_destination;
    ret->strict = !options->replace;
    ret->patch_fork = !options->no_patch_fork;
    ret->thread = !options->no_thread;
    ret->activate_on = (uint32_t)options->activate_on;
    ret->oneshot_on = (uint32_t)options->oneshot_on;
    ret->daemon_connection = options->daemon_connection;
    ret->redirect_stderr = !options->no_redirect_stderr;
    ret->redirect = options->redirect;
    ret->reinstall_delay_ms = (uint32_t)(options->reinstall_delay_us / 1000);
    ret->start_timeout_ms = (uint32_t)(options->start_timeout_us / 1000);
    ret->sigmask = options->sigmask;
    copy_text(ret->socket_path, options->socket_path);
    copy_text(ret->connection_handler, options->connection_handler);
    copy_text(ret->locals, options->locals);
    if (!ret->verbose)
        return;
    if (options->verbose_destination[0] == '/')
        copy_text(ret->verbose_path, options->verbose_destination);
    else
        ret->verbose_destination = atoi(options->verbose_destination);
}

/* What wakes a manhole with these options; "": nothing has to. */
static void describe_sleep(const struct install_options *options, char *text, size_t size)
{
    char activate[16], oneshot[16];
    snprintf(activate, sizeof(activate), "SIG%s", signal_name(options->activate_on));
    snprintf(oneshot, sizeof(oneshot), "SIG%s", signal_name(options->oneshot_on));
    if (options->activate_on && options->oneshot_on)
        snprintf(text, size, "%s, or %s for one client", activate, oneshot);
    else if (options->activate_on)
        snprintf(text, size, "%s", activate);
    else if (options->oneshot_on)
        snprintf(text, size, "%s, each for one client", oneshot);
    else
        snprintf(text, size, "%s", options->no_thread ? "the program calls manhole_activate" : "");
}

/* What wakes a manhole with such a description of its sleep. */
static void explain_waking(const struct process *process, const char *text, char *ret, size_t size)
{
    static const char *const prefixes[] = {"SIG", "signal "};
    snprintf(ret, size, "wait for that, or install with --replace");
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(text, prefixes[i], length) != 0)
            continue;
        const char *name = text + length;
        int name_length = (int)strcspn(name, ",;");
        const char *option = strncmp(name, "USR", 3) == 0 ? "-" : "-s ";
        snprintf(ret, size, "'manhole-attach %s%.*s %d' wakes it", option, name_length, name,
                 process->pid);
    }
}

struct error *installer_explain_sleep(const struct process *process,
                                      const struct installation *installation)
{
    char text[sizeof(installation->sleeps_until)], path[SOCKET_PATH_MAX], next[96];
    message_sanitize(installation->sleeps_until, text, sizeof(text));
    message_sanitize(installation->place.socket_path, path, sizeof(path));
    explain_waking(process, text, next, sizeof(next));
    return error_create(ERROR_STATE, EALREADY, "process %d: the manhole at %s sleeps until %s; %s",
                        process->pid, path, text, next);
}

/*
 * Where the manhole that is loaded listens, by its own word: "PATH free", "PATH held by ...", "PATH
 * sleeps until ...", "PATH lost: ..."; listening stays false if nowhere.
 */
static struct error *ask_payload(struct process *process, uint64_t timeout_us,
                                 struct installation *ret)
{
    static const char sleeps[] = " sleeps until ";
    struct inject_request request = {
        .soname = PAYLOAD_SONAME,
        .function = "manhole_injected_status",
        .timeout_us = timeout_us,
    };
    struct inject_result result = {0};
    char clean[INJECT_MESSAGE_MAX];
    struct error *error = inject_call(process, &request, &result);
    if (error || result.status == MANHOLE_NOT_INSTALLED)
        return error;
    if (result.status)
        return explain_status(process, result.status, result.message);
    result.message[sizeof(result.message) - 1] = '\0';
    size_t length = strcspn(result.message, " \n");
    if (result.message[0] != '/' || length >= sizeof(ret->place.socket_path))
        return NULL;
    memcpy(ret->place.socket_path, result.message, length);
    ret->place.socket_path[length] = '\0';
    const char *state = result.message + length;
    if (strncmp(state, sleeps, strlen(sleeps)) == 0) {
        snprintf(ret->sleeps_until, sizeof(ret->sleeps_until), "%s", state + strlen(sleeps));
        return installer_explain_sleep(process, ret);
    }
    if (strncmp(state, " lost:", strlen(" lost:")) == 0)
        return error_create(ERROR_STATE, EALREADY,
                            "process %d: a manhole is installed, but listens no more:%s; uninstall "
                            "it, or install with --replace",
                            process->pid,
                            message_sanitize(state + strlen(" lost:"), clean, sizeof(clean)));
    ret->place.listening = true;
    return NULL;
}

static struct error *load_and_install(struct process *process,
                                      const struct install_options *options, bool loaded,
                                      struct installation *ret)
{
    struct manhole_options encoded;
    encode_options(options, &encoded);
    CLEANUP_PAYLOAD_FILE struct payload_file payload = {0};
    struct error *error;
    if (!loaded) {
        error = payload_file_init(&payload);
        if (error)
            return error;
    }
    struct inject_request request = {
        .soname = PAYLOAD_SONAME,
        .image = payload.image,
        .image_size = payload.size,
        .function = "manhole_injected_install",
        .argument = &encoded,
        .argument_size = sizeof(encoded),
        .timeout_us = options->timeout_us,
    };
    CLEANUP_PROGRESS struct progress *progress =
        progress_start("manhole-attach: installing, waiting for a safe point");
    error = inject_call(process, &request, &ret->result);
    if (error)
        return error;
    if (ret->result.status)
        return explain_status(process, ret->result.status, ret->result.message);
    describe_sleep(options, ret->sleeps_until, sizeof(ret->sleeps_until));
    ret->place.loaded = true;
    ret->place.listening = !ret->sleeps_until[0];
    ret->result.message[sizeof(ret->result.message) - 1] = '\0';
    size_t length = strlen(ret->result.message);
    if (ret->result.message[0] != '/' || length >= sizeof(ret->place.socket_path))
        return error_create(ERROR_PARTIAL, 0,
                            "process %d: the payload did not say where it listens; is another "
                            "version of it loaded? uninstall it, then try again",
                            process->pid);
    memcpy(ret->place.socket_path, ret->result.message, length + 1);
    return NULL;
}

static struct error *install_locked(struct process *process, const struct install_options *options,
                                    struct installation *ret)
{
    /* Another one of us may have been faster while we waited for the lock. */
    struct error *error = locate_manhole(process, &ret->place);
    if (error)
        return error;
    struct inject_plan plan;
    error = inject_plan(process, PAYLOAD_SONAME, &plan);
    if (error)
        return error;
    if (!options->replace) {
        if (plan.loaded && !ret->place.listening)
            error = ask_payload(process, options->timeout_us, ret);
        if (error)
            return error;
        ret->was_there = ret->place.listening;
        if (ret->was_there)
            return NULL;
    }
    return load_and_install(process, options, plan.loaded, ret);
}

struct error *installer_install(struct process *process, const struct install_options *options,
                                struct installation *ret)
{
    *ret = (struct installation){0};
    struct error *error = NULL;
    if (!options->replace) {
        /* Reading /proc is less than tracing: a manhole that is there needs no rights to trace, and
           where we have none its end is not told from an execve(2). */
        process_note_program(process);
        error = locate_manhole(process, &ret->place);
        if (error)
            return error;
        ret->was_there = ret->place.listening;
        if (ret->was_there)
            return NULL;
    }
    error = process_check_access(process);
    if (!error)
        error = process_lock(process, LOCK_WAIT_US);
    if (error)
        return error;
    error = install_locked(process, options, ret);
    /* Others may work on the target while we only talk to the manhole. */
    flock(process->proc_fd, LOCK_UN);
    return error;
}

void installer_tell(const struct process *process, const struct installation *installation)
{
    if (!installation->was_there && installation->result.borrowed && isatty(STDERR_FILENO))
        message_note("process %d: installed by thread %d, which was stopped for %.2f ms",
                     process->pid, installation->result.borrowed,
                     (double)installation->result.stopped_us / 1e3);
}

struct error *installer_compare(const struct process *process,
                                const struct install_options *options,
                                const struct installation *installation)
{
    char clean[4 * SOCKET_PATH_MAX];
    message_sanitize(installation->place.socket_path, clean, sizeof(clean));
    if (options->socket_path && strcmp(options->socket_path, installation->place.socket_path) != 0)
        return error_create(ERROR_STATE, EALREADY,
                            "process %d: already installed at %s, not at %s; attach to it, or "
                            "install with --replace",
                            process->pid, clean, options->socket_path);
    if (options->configured && !options->socket_path)
        return error_create(
            ERROR_STATE, EALREADY,
            "process %d: already installed at %s, and how that one is set up cannot "
            "be changed; attach to it, or install with --replace",
            process->pid, clean);
    return NULL;
}

static struct error *uninstall_locked(struct process *process, uint64_t timeout_us,
                                      struct inject_result *ret)
{
    struct inject_plan plan;
    struct error *error = inject_plan(process, PAYLOAD_SONAME, &plan);
    if (error)
        return error;
    if (!plan.loaded)
        return error_create(ERROR_STATE, ENOENT,
                            "process %d: no manhole is installed; 'manhole-attach --list' shows "
                            "the processes that have one",
                            process->pid);
    struct inject_request request = {
        .soname = PAYLOAD_SONAME,
        .function = "manhole_injected_uninstall",
        .unload = true,
        .timeout_us = timeout_us,
    };
    CLEANUP_PROGRESS struct progress *progress =
        progress_start("manhole-attach: uninstalling, waiting for a safe point");
    error = inject_call(process, &request, ret);
    if (error)
        return error;
    if (ret->status == MANHOLE_NOT_INSTALLED)
        return error_create(ERROR_STATE, ENOENT,
                            "process %d: no manhole is installed: libmanhole is loaded, and inert; "
                            "nothing to do",
                            process->pid);
    return ret->status ? explain_status(process, ret->status, ret->message) : NULL;
}

struct error *installer_uninstall(struct process *process, uint64_t timeout_us,
                                  struct inject_result *ret)
{
    *ret = (struct inject_result){0};
    struct error *error = process_check_access(process);
    if (!error)
        error = process_lock(process, LOCK_WAIT_US);
    if (error)
        return error;
    error = uninstall_locked(process, timeout_us, ret);
    flock(process->proc_fd, LOCK_UN);
    return error;
}
