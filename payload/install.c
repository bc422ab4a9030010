/* The manhole as a whole: what is opened, in which order, and how all of it is undone. */
#include "payload/injected.h"

#include "payload/endpoint.h"
#include "payload/guard.h"
#include "payload/handler.h"
#include "payload/listener.h"
#include "payload/locals.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/options.h"
#include "payload/queue.h"
#include "payload/redirect.h"
#include "payload/session.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/worker.h"

#include <string.h>

#define LOCK_MS 5000
/* How long an evaluation may take to end when the manhole is closed; and when the program exits. */
#define PATIENCE_MS 2500
#define EXIT_PATIENCE_MS 200

static struct {
    struct lock lock; /* of installing, uninstalling, asking */
    bool installed;
    pid_t pid; /* where it is installed; a forked child has another one */
    struct endpoint endpoint;
    struct descriptor wake_read, wake_write; /* a pipe: what wakes the listener */
    char message[512];                       /* one line about the last entry */
} state;

/* For those who look from outside (manhole-attach --list): where we listen, "" when we do not. */
MANHOLE_API char manhole_socket_path[108];

/* --- Opening and closing, in opposite order. --- */

static void close_wake(void)
{
    descriptor_close(&state.wake_read);
    descriptor_close(&state.wake_write);
}

static int start_threads(char *message, size_t message_size)
{
    char name[16];
    int status = worker_start(&state.wake_write);
    if (!status) {
        status = listener_start(&state.endpoint.listening, state.endpoint.path, &state.wake_read);
        if (status) {
            worker_give(&(struct job){.kind = JOB_STOP});
            worker_join();
        }
    }
    if (status)
        text_format(message, message_size, "cannot start a thread: %s", text_errno(status, name));
    return status;
}

static int open_wake(char *message, size_t message_size)
{
    int ends[2];
    long status = SYS_CALL(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0);
    if (status < 0) {
        char name[16];
        text_format(message, message_size, "no pipe: %s", text_errno((int)-status, name));
        return (int)-status;
    }
    for (size_t i = 0; i < 2; i++) {
        long moved = sys_move_high(ends[i]);
        ends[i] = moved < 0 ? -1 : (int)moved;
    }
    state.wake_read = ends[0] < 0 ? DESCRIPTOR_NONE : descriptor_take(ends[0]);
    state.wake_write = ends[1] < 0 ? DESCRIPTOR_NONE : descriptor_take(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    close_wake();
    text_format(message, message_size, "no room for a pipe: EMFILE");
    return EMFILE;
}

static int open_all(const struct manhole_options *options, char *message, size_t message_size)
{
    int status = log_open(options->verbose ? options->verbose_destination : -1,
                          options->verbose ? options->verbose_path : "", message, message_size);
    if (status)
        return status;
    status = endpoint_open(&state.endpoint, options->socket_path, message, message_size);
    if (status)
        goto no_endpoint;
    status = open_wake(message, message_size);
    if (status)
        goto no_wake;
    status = start_threads(message, message_size);
    if (!status)
        return 0;
    close_wake();
no_wake:
    endpoint_close(&state.endpoint);
no_endpoint:
    log_close();
    return status;
}

/* After the threads have been told to end, or, in a forked child, were never there. */
static void close_all(void)
{
    close_wake();
    endpoint_close(&state.endpoint);
    log_close();
    manhole_socket_path[0] = '\0';
    state.installed = false;
}

/* In a child of fork(2) nothing of ours runs; what it inherited is put away. */
static void forget_parents(void)
{
    if (!state.installed || state.pid == sys_getpid())
        return;
    listener_forget();
    worker_forget();
    session_forget();
    queue_forget();
    redirect_forget();
    guard_bury();
    close_all();
}

/* Options whose rooms are being built. */
static int refuse_what_is_to_come(const struct manhole_options *options)
{
    if (!options->activate_on && !options->oneshot_on && options->thread)
        return 0;
    text_copy(state.message, sizeof(state.message), "an option that is not there yet");
    return ENOTSUP;
}

static int install(const struct manhole_options *options, char *message, size_t message_size)
{
    redirect_configure(options->redirect_stderr);
    int status = locals_open(options->locals, message, message_size);
    if (!status)
        status = handler_open(options->connection_handler, message, message_size);
    if (!status)
        status = open_all(options, message, message_size);
    if (status) {
        handler_close();
        locals_close();
        return status;
    }
    state.pid = sys_getpid();
    state.installed = true;
    text_copy(manhole_socket_path, sizeof(manhole_socket_path), state.endpoint.path);
    text_copy(message, message_size, state.endpoint.path);
    return 0;
}

static int uninstall(unsigned patience_ms, char *message, size_t message_size)
{
    pid_t self = sys_gettid();
    if (self == worker_tid() || self == listener_tid()) {
        text_format(message, message_size, "the manhole's own thread cannot close it");
        return EDEADLK;
    }
    if (listener_stop(&state.wake_write, patience_ms, message, message_size) != STOPPED)
        return EBUSY;
    listener_join();
    worker_join();
    redirect_close();
    handler_close();
    locals_close();
    close_all();
    text_copy(message, message_size, "closed");
    return 0;
}

/* --- What others call. --- */

/* Every entry: the lock, nothing of a parent's, and a message that stays to be asked for. */
static bool enter(void)
{
    if (!lock_take(&state.lock, LOCK_MS))
        return false;
    state.message[0] = '\0';
    forget_parents();
    return true;
}

static int leave_entry(int status, char *message, size_t message_size)
{
    if (message && message_size)
        text_copy(message, message_size, state.message);
    lock_release(&state.lock);
    return status;
}

static int cannot_enter(char *message, size_t message_size)
{
    if (message && message_size)
        text_copy(message, message_size, "another thread installs or uninstalls it");
    return EBUSY;
}

int manhole_injected_install(const void *options, size_t size, char *message, size_t message_size)
{
    if (!enter())
        return cannot_enter(message, message_size);
    struct manhole_options taken;
    int status = options_take(options, size, &taken, state.message, sizeof(state.message));
    if (!status)
        status = refuse_what_is_to_come(&taken);
    if (!status && state.installed && !taken.strict)
        status = uninstall(PATIENCE_MS, state.message, sizeof(state.message));
    if (!status && state.installed) {
        status = MANHOLE_ALREADY_INSTALLED;
        text_format(state.message, sizeof(state.message), "already installed at %s",
                    state.endpoint.path);
    }
    if (!status)
        status = install(&taken, state.message, sizeof(state.message));
    return leave_entry(status, message, message_size);
}

int manhole_injected_uninstall(const void *options, size_t size, char *message, size_t message_size)
{
    (void)options;
    (void)size;
    if (!enter())
        return cannot_enter(message, message_size);
    int status = MANHOLE_NOT_INSTALLED;
    if (state.installed)
        status = uninstall(PATIENCE_MS, state.message, sizeof(state.message));
    else
        text_copy(state.message, sizeof(state.message), "no manhole is installed");
    return leave_entry(status, message, message_size);
}

int manhole_injected_status(const void *options, size_t size, char *message, size_t message_size)
{
    (void)options;
    (void)size;
    if (!enter())
        return cannot_enter(message, message_size);
    int status = state.installed ? 0 : MANHOLE_NOT_INSTALLED;
    if (status)
        text_copy(state.message, sizeof(state.message), "no manhole is installed");
    else if (session_client())
        text_format(state.message, sizeof(state.message), "%s held by pid %d", state.endpoint.path,
                    session_client());
    else
        text_format(state.message, sizeof(state.message), "%s free", state.endpoint.path);
    return leave_entry(status, message, message_size);
}

int manhole_install(const struct manhole_options *options)
{
    return manhole_injected_install(options, options ? options->size : 0, NULL, 0);
}

int manhole_uninstall(void)
{
    return manhole_injected_uninstall(NULL, 0, NULL, 0);
}

int manhole_log(const char *format, ...)
{
    if (!state.installed || state.pid != sys_getpid())
        return MANHOLE_NOT_INSTALLED;
    va_list arguments;
    va_start(arguments, format);
    log_vline(format, arguments);
    va_end(arguments);
    return 0;
}

size_t manhole_last_message(char *buffer, size_t size)
{
    if (!size)
        return 0;
    buffer[0] = '\0';
    if (lock_take(&state.lock, LOCK_MS)) {
        text_copy(buffer, size, state.message);
        lock_release(&state.lock);
    }
    return strlen(buffer);
}

const char *manhole_error_text(int error)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        {0, "done"},
        {MANHOLE_NOT_INSTALLED, "Manhole is not installed!"},
        {MANHOLE_ALREADY_INSTALLED, "Manhole already installed!"},
        {MANHOLE_CONFIGURATION_CONFLICT, "the options contradict each other"},
        {MANHOLE_SUSPICIOUS_CLIENT, "the client is neither root nor of this process's user"},
        {EACCES, "permission denied"},
        {EADDRINUSE, "the socket's path is in use"},
        {EBADF, "bad descriptor"},
        {EBUSY, "what runs does not end"},
        {EDEADLK, "the manhole's own thread cannot do that"},
        {EINVAL, "invalid argument"},
        {EMFILE, "too many open descriptors"},
        {ENAMETOOLONG, "a text is too long"},
        {ENOENT, "no such file or directory"},
        {ENOMEM, "no memory"},
        {ENOTSOCK, "not a socket"},
        {ETIMEDOUT, "a deadline passed"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].error == error)
            return texts[i].text;
    return "a system call failed: the number is an errno";
}

/*
 * At exit, and when somebody unloads us although we are installed: our threads must not run on in
 * code that is no longer there. Where they do not end, at least the file goes.
 */
__attribute__((destructor)) static void leave(void)
{
    if (!state.installed || state.pid != sys_getpid())
        return;
    if (!enter())
        return;
    if (state.installed && uninstall(EXIT_PATIENCE_MS, state.message, sizeof(state.message)) != 0) {
        redirect_close();
        endpoint_unlink(&state.endpoint);
    }
    lock_release(&state.lock);
}
