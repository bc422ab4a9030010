/* The manhole as a whole: what is opened, in which order, and how all of it is undone. */
#include "payload/manhole.h"

#include "payload/endpoint.h"
#include "payload/guard.h"
#include "payload/listener.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/session.h"
#include "payload/stacks.h"
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
} state;

/* For those who look from outside (manhole-attach --list): where we listen, "" when we do not. */
MANHOLE_API char manhole_socket_path[108];

/* --- Options. --- */

static bool is_terminated(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!text[i])
            return true;
    return false;
}

/* What a caller of another size does not have keeps its default; more than we know must be empty.
 */
static int take_options(const void *from, size_t size, struct manhole_options *to, char *message,
                        size_t message_size)
{
    *to = (struct manhole_options){.size = sizeof(*to), .version = MANHOLE_VERSION, .log_fd = -1};
    if (!from)
        return 0;
    if (size < offsetof(struct manhole_options, log_fd)) {
        text_format(message, message_size, "options of %zu bytes: too few", size);
        return EINVAL;
    }
    memcpy(to, from, size < sizeof(*to) ? size : sizeof(*to));
    if (to->version != MANHOLE_VERSION) {
        text_format(message, message_size, "options of version %u: this libmanhole knows %u",
                    to->version, MANHOLE_VERSION);
        return EINVAL;
    }
    for (size_t i = sizeof(*to); i < size; i++) {
        if (((const char *)from)[i]) {
            text_format(message, message_size, "options that this libmanhole does not know");
            return EINVAL;
        }
    }
    if (!is_terminated(to->socket_path, sizeof(to->socket_path)) ||
        !is_terminated(to->log_path, sizeof(to->log_path))) {
        text_format(message, message_size, "a path is too long: a socket's has at most %zu bytes",
                    sizeof(to->socket_path) - 1);
        return ENAMETOOLONG;
    }
    return 0;
}

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
    int status = log_open(options->log_fd, options->log_path, message, message_size);
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
    guard_bury();
    close_all();
}

static int install(const struct manhole_options *options, char *message, size_t message_size)
{
    int status = open_all(options, message, message_size);
    if (status)
        return status;
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
    stacks_release();
    close_all();
    text_copy(message, message_size, "closed");
    return 0;
}

/* --- What others call. --- */

#define OWN_MESSAGE_BYTES 512

/* Every entry: a message buffer that is there, the lock, and nothing of a parent's. */
struct entry {
    char own[OWN_MESSAGE_BYTES], *message;
    size_t size;
};

static bool enter(struct entry *entry, char *message, size_t message_size)
{
    bool given = message && message_size;
    entry->message = given ? message : entry->own;
    entry->size = given ? message_size : sizeof(entry->own);
    entry->message[0] = '\0';
    if (!lock_take(&state.lock, LOCK_MS)) {
        text_copy(entry->message, entry->size, "another thread installs or uninstalls it");
        return false;
    }
    forget_parents();
    return true;
}

int manhole_install(const void *options, size_t options_size, char *message, size_t message_size)
{
    struct entry entry;
    if (!enter(&entry, message, message_size))
        return EBUSY;
    struct manhole_options taken;
    int status = take_options(options, options_size, &taken, entry.message, entry.size);
    if (!status && state.installed && taken.replace)
        status = uninstall(PATIENCE_MS, entry.message, entry.size);
    if (!status && state.installed) {
        status = EALREADY;
        text_format(entry.message, entry.size, "already installed at %s", state.endpoint.path);
    }
    if (!status)
        status = install(&taken, entry.message, entry.size);
    lock_release(&state.lock);
    return status;
}

int manhole_uninstall(const void *options, size_t options_size, char *message, size_t message_size)
{
    (void)options;
    (void)options_size;
    struct entry entry;
    if (!enter(&entry, message, message_size))
        return EBUSY;
    int status = ENOENT;
    if (state.installed)
        status = uninstall(PATIENCE_MS, entry.message, entry.size);
    else
        text_copy(entry.message, entry.size, "no manhole is installed");
    lock_release(&state.lock);
    return status;
}

int manhole_status(const void *options, size_t options_size, char *message, size_t message_size)
{
    (void)options;
    (void)options_size;
    struct entry entry;
    if (!enter(&entry, message, message_size))
        return EBUSY;
    int status = state.installed ? 0 : ENOENT;
    if (status)
        text_copy(entry.message, entry.size, "no manhole is installed");
    else if (session_client())
        text_format(entry.message, entry.size, "%s held by pid %d", state.endpoint.path,
                    session_client());
    else
        text_format(entry.message, entry.size, "%s free", state.endpoint.path);
    lock_release(&state.lock);
    return status;
}

/*
 * At exit, and when somebody unloads us although we are installed: our threads must not run on in
 * code that is no longer there. Where they do not end, at least the file goes.
 */
__attribute__((destructor)) static void leave(void)
{
    if (!state.installed || state.pid != sys_getpid())
        return;
    struct entry entry;
    if (!enter(&entry, NULL, 0))
        return;
    if (state.installed && uninstall(EXIT_PATIENCE_MS, entry.message, entry.size) != 0)
        endpoint_unlink(&state.endpoint);
    lock_release(&state.lock);
}
