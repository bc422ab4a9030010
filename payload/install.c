/* The manhole as a whole: what is opened, in which order, and how all of it is undone. */
#include "payload/install.h"

#include "payload/activation.h"
#include "payload/endpoint.h"
#include "payload/fork.h"
#include "payload/guard.h"
#include "payload/handler.h"
#include "payload/hooks.h"
#include "payload/injected.h"
#include "payload/listener.h"
#include "payload/locals.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/options.h"
#include "payload/orders.h"
#include "payload/python_calls.h"
#include "payload/python_tee.h"
#include "payload/python_thread.h"
#include "payload/queue.h"
#include "payload/redirect.h"
#include "payload/session.h"
#include "payload/stacks.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"
#include "payload/worker.h"

#include <stdatomic.h>
#include <string.h>

#define LOCK_MS 5000
/* How long an evaluation may take to end when the manhole is closed; and when the program exits. */
#define PATIENCE_MS 2500
#define EXIT_PATIENCE_MS 200
/* How long a thread that exits may take to see that its client is gone. */
#define LEAVE_MS 1000

static struct {
    struct lock lock; /* of installing, uninstalling, asking */
    bool installed;
    bool late;           /* it only waits to be uninstalled */
    bool may_come_late;  /* nobody would try again: it counts as installed before its threads run */
    bool forked;         /* by itself: installed in a child, where a socket comes after a delay */
    bool patched;        /* children get one of their own */
    char fork_line[192]; /* what the log is told of that */
    _Atomic uint32_t waiting_at_exit; /* threads of the program that are in wait_for_client */
    pid_t pid;                        /* where it is installed; a forked child has another one */
    struct manhole_options options;
    char path[108];    /* where it listens, or will */
    char message[512]; /* one line about the last entry */
} state;

MANHOLE_API struct manhole_sleep manhole_sleep;

/* --- Opening and closing, in opposite order. --- */

static bool sleeps_at_first(const struct manhole_options *options)
{
    return !options->thread || options->activate_on || options->oneshot_on;
}

/* Bit n - 1 for signal n. */
static uint64_t activation_signals(const struct manhole_options *options)
{
    return (options->activate_on ? 1ull << (options->activate_on - 1) : 0) |
           (options->oneshot_on ? 1ull << (options->oneshot_on - 1) : 0);
}

static void tell_sleep(void)
{
    manhole_sleep.signals = activation_signals(&state.options);
    manhole_sleep.pid = sleeps_at_first(&state.options) ? sys_getpid() : 0;
}

static bool threads_begin(uint64_t end)
{
    return worker_wait_started(end) && listener_wait_started(end);
}

static void begin_anew(void);
static void wait_for_client(void);

/* The C library is asked when a thread exists: see hooks.h. */
static void prepare_for_forks(void)
{
    char why[160];
    int registered = hooks_register(begin_anew, wait_for_client);
    state.patched = fork_patched(&state.options, registered, why, sizeof(why));
    text_format(
        state.fork_line, sizeof(state.fork_line),
        state.patched ? "Patched <fork> and <forkpty>." : "Not patching fork and forkpty. %s", why);
}

static int start_listener(bool (*begin_late)(void))
{
    struct listener_setup setup = {
        .path = state.path,
        .oneshot_timeout_ms = state.options.oneshot_timeout_ms,
        .first_line = begin_late ? NULL : state.fork_line,
        .begin_late = begin_late,
        .delay_ms = state.options.reinstall_delay_ms,
    };
    return listener_start(&setup);
}

static int start_threads(char *message, size_t message_size)
{
    const struct manhole_options *options = &state.options;
    /* Nor do they ever take a signal of activation: its thread waits for them. */
    thread_set_blocked_signals(options->sigmask | activation_signals(options));
    char name[16];
    int status = worker_start();
    if (!status) {
        prepare_for_forks();
        status = start_listener(NULL);
        if (status) {
            worker_give(&(struct job){.kind = JOB_STOP});
            worker_join();
        }
    }
    if (status)
        text_format(message, message_size, "cannot start a thread: %s", text_errno(status, name));
    return status;
}

static int stop_threads(unsigned patience_ms, char *message, size_t message_size)
{
    if (listener_stop(patience_ms, message, message_size) != STOPPED)
        return EBUSY;
    worker_join(); /* which may still ring the listener's bell */
    listener_join();
    return 0;
}

static int late(char *message, size_t message_size, const char *what)
{
    text_format(message, message_size, "%s within %u.%03u seconds (start_timeout)", what,
                state.options.start_timeout_ms / 1000, state.options.start_timeout_ms % 1000);
    return ETIMEDOUT;
}

static int wait_for_socket(uint64_t end, char *message, size_t message_size)
{
    uint32_t answers = orders_socket_answers();
    orders_want_socket();
    if (!orders_wait_for_socket(answers, end))
        return late(message, message_size, "the socket was not there");
    return orders_socket_status(message, message_size);
}

/* The threads run: what else there is to be before success may be said. */
static int begin_service(uint64_t end, char *message, size_t message_size)
{
    bool sleeps = sleeps_at_first(&state.options);
    int status = threads_begin(end) ? 0 : late(message, message_size, "the threads did not start");
    if (!status && !sleeps)
        status = wait_for_socket(end, message, message_size);
    if (status == ETIMEDOUT && state.may_come_late) {
        log_line("WARNING: %s; the manhole comes when they do", message);
        if (!sleeps)
            orders_want_socket();
        status = 0;
    }
    if (status)
        return status;
    char name[16];
    status = activation_begin(state.options.activate_on, state.options.oneshot_on);
    if (status)
        text_format(message, message_size, "cannot catch the signal: %s", text_errno(status, name));
    return status;
}

static int open_all(char *message, size_t message_size)
{
    const struct manhole_options *options = &state.options;
    uint64_t end = sys_now_ms() + options->start_timeout_ms;
    int status = endpoint_name(options->socket_path, state.path, message, message_size);
    if (!status)
        status = log_open(options->verbose ? options->verbose_destination : -1,
                          options->verbose ? options->verbose_path : "", message, message_size);
    if (status)
        return status;
    status = start_threads(message, message_size);
    if (status)
        goto no_threads;
    status = begin_service(end, message, message_size);
    if (!status)
        return 0;
    char why[256];
    /* They run on in code that must stay: it counts as installed, and can be uninstalled. */
    state.late = stop_threads(PATIENCE_MS, why, sizeof(why)) != 0;
    state.installed = state.late;
    if (state.late)
        return status;
no_threads:
    log_close();
    return status;
}

/* After the threads have been told to end. */
static void close_all(void)
{
    log_close();
    state.installed = false;
    state.forked = false;
    manhole_sleep.pid = 0;
}

/* --- In a forked child. --- */

/*
 * Nothing of ours runs in a child; what it inherited is put away. Its parent may have been at any
 * point of anything. Only the log stays, where the child is to have a manhole, too.
 */
static void forget_parents(bool keep_log)
{
    bool by_worker = worker_is_caller(); /* then we stand on its stack */
    state.installed = false;
    state.forked = false;
    state.waiting_at_exit = 0;
    listener_forget();
    if (!by_worker) {
        worker_forget();
        redirect_forget(); /* what the evaluation itself forks prints where it prints */
    }
    if (!python_thread_is_caller())
        python_thread_forget();
    session_forget();
    queue_forget();
    guard_forget(by_worker);
    stacks_forget();
    if (!keep_log)
        log_close();
}

/* On the listener's thread. */
static bool begin_late(void)
{
    return worker_start() == 0;
}

/*
 * The C library calls it in each child of fork(2). It calls nothing that could wait for a lock of
 * the program, except pthread_create: see fork.h. Where no thread can be had there is no manhole.
 */
static void begin_anew(void)
{
    int errnum = *__errno_location();
    bool again = state.installed && !state.late && state.patched && !worker_is_caller() &&
                 !python_thread_is_caller();
    state.lock = (struct lock){0};
    forget_parents(again);
    if (again) {
        char ignored[64]; /* the default path is always one */
        endpoint_name("", state.path, ignored, sizeof(ignored));
        state.pid = sys_getpid();
        state.forked = true;
        state.installed = start_listener(begin_late) == 0;
        if (!state.installed)
            log_close();
    }
    *__errno_location() = errnum;
}

/* A child's own that is not open yet is nothing to anybody. */
static bool is_to_come(void)
{
    return state.forked && !listener_listens();
}

/* --- At exit. --- */

/*
 * Before the program's own exit handlers, on the thread that exits. It waits as long as a client is
 * there: that is what daemon_connection is about. A thread of ours cannot wait for itself.
 */
static void wait_for_client(void)
{
    pid_t self = sys_gettid();
    if (!state.installed || state.pid != sys_getpid() || state.options.daemon_connection ||
        !session_connected() || self == worker_tid() || self == listener_tid())
        return;
    atomic_fetch_add(&state.waiting_at_exit, 1);
    listener_announce_exit();
    session_wait_until_left();
    atomic_fetch_sub(&state.waiting_at_exit, 1);
}

static int install(const struct manhole_options *options, char *message, size_t message_size)
{
    activation_end(); /* a parent's handlers */
    redirect_configure(options->redirect_stderr);
    python_calls_configure(options->redirect_stderr);
    python_tee_configure(options->redirect);
    state.options = *options;
    state.late = false;
    state.pid = sys_getpid();
    int status = locals_open(options->locals, message, message_size);
    if (!status)
        status = handler_open(options->connection_handler, message, message_size);
    if (!status)
        status = open_all(message, message_size);
    if (status && !state.late) {
        handler_close();
        locals_close();
    }
    if (status)
        return status;
    state.installed = true;
    tell_sleep();
    text_copy(message, message_size, state.path);
    return 0;
}

static int uninstall(unsigned patience_ms, char *message, size_t message_size)
{
    pid_t self = sys_gettid();
    if (self == worker_tid() || self == listener_tid()) {
        text_format(message, message_size, "the manhole's own thread cannot close it");
        return EDEADLK;
    }
    int status = stop_threads(patience_ms, message, message_size);
    if (status)
        return status;
    for (unsigned i = 0; i < LEAVE_MS && atomic_load(&state.waiting_at_exit); i++)
        sys_sleep_ms(1); /* its client is gone, and with it the reason to be in our code */
    activation_end();
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
    /* Forked without the C library's knowledge. */
    if (state.installed && state.pid != sys_getpid())
        forget_parents(false);
    return true;
}

int install_enter(void)
{
    if (!enter())
        return EBUSY;
    if (state.installed)
        return 0;
    install_leave("no manhole is installed");
    return MANHOLE_NOT_INSTALLED;
}

void install_leave(const char *message)
{
    text_copy(state.message, sizeof(state.message), message);
    lock_release(&state.lock);
}

int install_activate(char *message, size_t message_size)
{
    int status = 0;
    if (!listener_listens())
        status =
            wait_for_socket(sys_now_ms() + state.options.start_timeout_ms, message, message_size);
    if (!status)
        text_copy(message, message_size, state.path);
    return status;
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
    if (!status && state.installed && (!taken.strict || is_to_come()))
        status = uninstall(PATIENCE_MS, state.message, sizeof(state.message));
    if (!status && state.installed) {
        status = MANHOLE_ALREADY_INSTALLED;
        text_format(state.message, sizeof(state.message), "already installed at %s", state.path);
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

/* What wakes it. */
static void describe_sleep(char *text, size_t size)
{
    char activate[16], oneshot[16], why[256];
    const struct manhole_options *options = &state.options;
    const char *first = text_signal((int)options->activate_on, activate);
    const char *second = text_signal((int)options->oneshot_on, oneshot);
    size_t used = text_format(text, size, "%s sleeps until ", state.path);
    if (options->activate_on && options->oneshot_on)
        used += text_format(text + used, size - used, "%s, or %s for one client", first, second);
    else if (options->oneshot_on)
        used += text_format(text + used, size - used, "%s, each for one client", second);
    else
        used += text_format(text + used, size - used, "%s",
                            options->activate_on ? first : "the program calls manhole_activate");
    if (orders_socket_status(why, sizeof(why)) != 0)
        text_format(text + used, size - used, "; the last try failed: %s", why);
}

int manhole_injected_status(const void *options, size_t size, char *message, size_t message_size)
{
    (void)options;
    (void)size;
    if (!enter())
        return cannot_enter(message, message_size);
    int status = state.installed && !is_to_come() ? 0 : MANHOLE_NOT_INSTALLED;
    if (status)
        text_copy(state.message, sizeof(state.message),
                  state.installed ? "not yet: the process was forked a moment ago"
                                  : "no manhole is installed");
    else if (session_client())
        text_format(state.message, sizeof(state.message), "%s held by pid %d", state.path,
                    session_client());
    else if (listener_listens())
        text_format(state.message, sizeof(state.message), "%s free", state.path);
    else if (sleeps_at_first(&state.options) && !state.late)
        describe_sleep(state.message, sizeof(state.message));
    else
        text_format(state.message, sizeof(state.message), "%s lost: %s", state.path,
                    state.late          ? "its threads did not start in time"
                    : !threads_begin(0) ? "its threads have not started yet"
                                        : "the program closed its descriptors");
    return leave_entry(status, message, message_size);
}

int manhole_install(const struct manhole_options *options)
{
    return manhole_injected_install(options, options ? options->size : 0, NULL, 0);
}

int install_at_start(const struct manhole_options *options)
{
    state.may_come_late = true;
    int status = manhole_install(options);
    state.may_come_late = false;
    return status;
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
static void close_at_end(void)
{
    if (!state.installed || state.pid != sys_getpid()) {
        activation_end(); /* a parent's handlers: their code may go */
        return;
    }
    if (!enter())
        return;
    if (state.installed && uninstall(EXIT_PATIENCE_MS, state.message, sizeof(state.message)) != 0) {
        redirect_close();
        listener_unlink();
    }
    lock_release(&state.lock);
}

__attribute__((destructor)) static void leave(void)
{
    close_at_end();
    hooks_unregister();
}
