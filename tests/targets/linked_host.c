/*
 * A program that is linked with libmanhole and obeys standard input, one word a line, each answered
 * by a line. Awkward: its main thread waits in the manhole's functions or in a handler of it while
 * a thread with the smallest stack and one that mallocs all the time go on; it has signal handlers
 * of its own; its threads may start late.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/injected.h"

/* --- Threads that start late. --- */

static _Atomic unsigned delay_ms;
static const char *gate; /* threads that start before main wait until this file is there */
struct late {
    void *(*main)(void *);
    void *argument;
    const char *gate;
};
static void *begin_late(void *argument)
{
    struct late late = *(struct late *)argument;
    free(argument);
    usleep(delay_ms * 1000);
    while (late.gate && access(late.gate, F_OK) != 0)
        usleep(10000);
    return late.main(late.argument);
}
/* libmanhole finds this one. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *),
                   void *argument)
{
    static __typeof__(pthread_create) *create;
    if (!create) {
        create = (__typeof__(create))dlsym(RTLD_NEXT, "pthread_create");
        gate = getenv("GATE");
    }
    if (!delay_ms && !gate)
        return create(thread, attributes, main, argument);
    struct late *late = malloc(sizeof(*late));
    *late = (struct late){main, argument, gate};
    return create(thread, attributes, begin_late, late);
}

/* --- Its own use of signals. --- */

static _Atomic long handled;
static void on_signal(int signal)
{
    (void)signal;
    handled++;
}
static void set_handler(int signal)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGHUP);
    sigaction(signal, &action, NULL);
}
static const char *describe_action(int signal)
{
    struct sigaction action;
    sigaction(signal, NULL, &action);
    return action.sa_handler == SIG_DFL     ? "default"
           : action.sa_handler == SIG_IGN   ? "ignored"
           : action.sa_handler != on_signal ? "strange"
           : !(action.sa_flags & SA_RESTART) || action.sa_flags & SA_SIGINFO ||
                   !sigismember(&action.sa_mask, SIGHUP)
               ? "changed"
               : "mine";
}

/* As many as an impatient user sends; blocked in all threads of the program itself. */
static void signal_self(int count)
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    set_handler(SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    while (count--)
        kill(getpid(), SIGUSR1);
    signal(SIGUSR1, SIG_IGN); /* throws the pending one away */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGUSR1, SIG_DFL);
}

/* --- Threads that go on. --- */

static _Atomic long beats, spoilt;
static pthread_t small;
/* Its errno is its own, whatever signals come. */
static void *hammer(void *argument)
{
    while (!argument) {
        for (int i = 0; i < 1000; i++) {
            errno = 1234;
            free(malloc(100));
            if (errno != 1234)
                spoilt++;
        }
        beats++;
        usleep(500);
    }
    return NULL;
}
static void start_small_thread(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_create(&small, &attributes, hammer, NULL);
    pthread_attr_destroy(&attributes);
}

static int shoot(int signal, int times)
{
    int status = 0;
    for (int i = 0; i < times && !status; i++) {
        status = pthread_kill(small, signal);
        usleep(1000);
    }
    return status;
}

/* --- Children that get the signals. --- */

static int fork_child(void)
{
    pid_t child = fork();
    if (!child) {
        raise(SIGUSR1);
        raise(SIGUSR2);
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}
static int vfork_child(void)
{
    pid_t child = vfork();
    if (!child) {
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGUSR2);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

/* --- The manhole. --- */

static const char *text(int status)
{
    return status && status <= 4095 ? strerror(status) : manhole_error_text(status);
}

static int install(char *words)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        {"strict", offsetof(struct manhole_options, strict)},
        {"thread", offsetof(struct manhole_options, thread)},
        {"activate_on", offsetof(struct manhole_options, activate_on)},
        {"oneshot_on", offsetof(struct manhole_options, oneshot_on)},
        {"start_timeout", offsetof(struct manhole_options, start_timeout_ms)},
        {"oneshot_timeout", offsetof(struct manhole_options, oneshot_timeout_ms)},
    };
    struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
    options.verbose_destination = -1;
    char *position = NULL;
    for (char *word = strtok_r(words, " ", &position); word;
         word = strtok_r(NULL, " ", &position)) {
        char *value = word + strcspn(word, "=");
        *value++ = '\0';
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
            if (!strcmp(word, fields[i].name))
                *(uint32_t *)((char *)&options + fields[i].offset) = (uint32_t)atoi(value);
        if (!strcmp(word, "sigmask"))
            options.sigmask = strtoull(value, NULL, 16);
        else if (!strcmp(word, "path"))
            snprintf(options.socket_path, sizeof(options.socket_path), "%s", value);
        else if (!strcmp(word, "log"))
            snprintf(options.verbose_path, sizeof(options.verbose_path), "%s", value);
    }
    return manhole_install(&options);
}

/* The next client of a socket of the program's own. */
static int accept_one(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0)
        abort();
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    close(fd);
    unlink(path);
    return client;
}
/* Says whether the descriptor can still be used afterwards. */
static void serve(const char *what, int (*function)(int), int fd)
{
    int status = function(fd);
    ssize_t sent = send(fd, "after\n", 6, MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK)
        sent = write(fd, "after\n", 6);
    printf("%s %s, then %s\n", what, text(status), sent == 6 ? "open" : strerror(errno));
    if (close(fd) != 0)
        abort();
}

static int obey(char *line)
{
    char message[512], *value = strchr(line, ' ');
    value = value ? value + 1 : line + strlen(line);
    int number = atoi(value);
    if (!strncmp(line, "install", 7)) {
        int status = install(value);
        manhole_last_message(message, sizeof(message));
        printf("install %s: %s\n", text(status), message);
    } else if (!strcmp(line, "uninstall")) {
        printf("uninstall %s\n", text(manhole_uninstall()));
    } else if (!strcmp(line, "status")) {
        manhole_injected_status(NULL, 0, message, sizeof(message));
        printf("status %s\n", message);
    } else if (!strcmp(line, "activate")) {
        int status = manhole_activate();
        manhole_last_message(message, sizeof(message));
        printf("activate %s: %s\n", text(status), message);
    } else if (!strcmp(line, "oneshot")) {
        printf("oneshot %s\n", text(manhole_handle_oneshot()));
    } else if (!strncmp(line, "handle ", 7)) {
        serve("handle", manhole_handle, accept_one(value));
    } else if (!strncmp(line, "repl ", 5)) {
        serve("repl", manhole_run_repl, accept_one(value));
    } else if (!strncmp(line, "repl-file ", 10)) {
        serve("repl", manhole_run_repl, open(value, O_RDWR | O_NOCTTY | O_CLOEXEC));
    } else if (!strncmp(line, "repl-input ", 11)) {
        serve("repl", manhole_run_repl, open(value, O_RDONLY | O_CLOEXEC));
    } else if (!strncmp(line, "handler ", 8)) {
        set_handler(number);
        printf("handler\n");
    } else if (!strncmp(line, "ignore ", 7)) {
        signal(number, SIG_IGN);
        printf("ignore\n");
    } else if (!strncmp(line, "action ", 7)) {
        printf("action %s\n", describe_action(number));
    } else if (!strncmp(line, "signals ", 8)) {
        handled = 0;
        signal_self(number);
        printf("signals handled %ld\n", handled);
    } else if (!strcmp(line, "handled")) {
        printf("handled %ld\n", handled);
    } else if (!strcmp(line, "small")) {
        start_small_thread();
        printf("small\n");
    } else if (!strncmp(line, "shoot ", 6)) {
        printf("shoot %d\n", shoot(number, strchr(value, ' ') ? atoi(strchr(value, ' ')) : 1));
    } else if (!strcmp(line, "beats")) {
        printf("beats %ld spoilt %ld\n", beats, spoilt);
    } else if (!strcmp(line, "fork")) {
        printf("child ended %d\n", fork_child());
    } else if (!strcmp(line, "vfork")) {
        printf("child ended %d\n", vfork_child());
    } else if (!strncmp(line, "delay ", 6)) {
        delay_ms = (unsigned)number;
        printf("delay\n");
    } else if (!strcmp(line, "close")) {
        for (int fd = 3; fd < 1000; fd++)
            close(fd);
        printf("close\n");
    } else if (!strcmp(line, "exit")) {
        return 0;
    } else {
        printf("what?\n");
    }
    return 1;
}

static void *do_nothing(void *argument)
{
    return argument;
}

int main(void)
{
    char line[1024];
    gate = NULL;
    pthread_t first; /* with it, glibc sets its own handler: that is not the manhole's doing */
    pthread_create(&first, NULL, do_nothing, NULL);
    pthread_join(first, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (!obey(line))
            return 0;
    }
    return 0;
}
