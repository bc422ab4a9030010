// BUILD: -rdynamic
/*
 * What python-manhole's tests call their helper, in C: it gets its manhole from LD_PRELOAD and
 * MANHOLE, from the functions of manhole.h, or injected, and does what lines of standard input say;
 * each is answered by a line. Awkward: it forks, execs, signals itself and changes its user, and it
 * counts what it should never notice: SIGPIPE, failed writes, signals that arrive though blocked.
 */
#include <errno.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/manhole.h"

/* There when the library is preloaded. */
#pragma weak manhole_install
#pragma weak manhole_uninstall
#pragma weak manhole_log
#pragma weak manhole_error_text

extern char **environ;
static _Atomic int pipe_signals, failed_writes, signalled, interrupted, writing;

/* For `call`: through stdio and past it. */
int say_out(const char *text)
{
    return printf("%s\n", text) + fflush(stdout);
}
int say_err(const char *text)
{
    return fprintf(stderr, "%s\n", text);
}
int k1 = 4711;
int next_k1(void)
{
    return ++k1;
}
/* How many of `count` signals that are blocked everywhere arrive nevertheless. */
int send_signals(int count)
{
    for (int i = 0; i < count; i++)
        kill(getpid(), SIGUSR1);
    return signalled;
}
void call_exit(void)
{
    exit(0);
}

static void count_signal(int signal)
{
    atomic_fetch_add(signal == SIGPIPE ? &pipe_signals : &signalled, 1);
}
static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void install(char *words)
{
    struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
    options.verbose_destination = -1;
    char *position = NULL;
    for (char *word = strtok_r(words, " ", &position); word;
         word = strtok_r(NULL, " ", &position)) {
        if (!strncmp(word, "path=", 5))
            snprintf(options.socket_path, sizeof(options.socket_path), "%s", word + 5);
        else if (!strncmp(word, "log=", 4))
            snprintf(options.verbose_path, sizeof(options.verbose_path), "%s", word + 4);
        else if (!strncmp(word, "activate_on=", 12))
            options.activate_on = (uint32_t)atoi(word + 12);
        else if (!strncmp(word, "oneshot_on=", 11))
            options.oneshot_on = (uint32_t)atoi(word + 11);
        else if (!strcmp(word, "strict=0"))
            options.strict = 0;
    }
    int status = manhole_install(&options);
    printf("install %d %s\n", status, manhole_error_text(status));
}

/* A child that stays until its parent ends. */
static void live_on(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}
static void fork_child(int with_terminal)
{
    int terminal;
    pid_t child = with_terminal ? forkpty(&terminal, NULL, NULL, NULL) : fork();
    if (!child)
        live_on();
    printf("child %d\n", child);
}

/* As a program that starts others does: between fork and exec some time passes. */
static void fork_and_exec(const char *milliseconds)
{
    pid_t child = fork();
    if (!child) {
        usleep((useconds_t)atoi(milliseconds) * 1000);
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child %d ended %d\n", child, status);
}

static void spawn_many(int count)
{
    char *const argv[] = {"true", NULL};
    int ended = 0, status;
    for (int i = 0; i < count; i++) {
        pid_t child = 0;
        if (i % 2) {
            posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ);
        } else if (!(child = fork())) {
            execv("/bin/true", argv);
            _exit(1);
        }
        ended += waitpid(child, &status, 0) == child && status == 0;
    }
    printf("spawned %d\n", ended);
}

/* Writes without end to both streams; what it sees of errors is counted. */
static void *write_on(void *argument)
{
    char line[200];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; writing; i++) {
        if (write(1 + i % 2, line, sizeof(line)) != (ssize_t)sizeof(line))
            atomic_fetch_add(&failed_writes, 1);
        atomic_fetch_add(&writing, 1);
        usleep(500);
    }
    return argument;
}
static void start_writing(void)
{
    pthread_t thread;
    writing = 1;
    pthread_create(&thread, NULL, write_on, NULL);
    pthread_detach(thread);
    printf("writing\n");
}

static void block(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    printf("blocked %d\n", signal);
}

static void set_users(const char *words)
{
    unsigned real, effective, saved;
    int status = -1;
    if (sscanf(words, "%u %u %u", &real, &effective, &saved) == 3)
        status = setresuid(real, effective, saved);
    printf("users %d\n", status);
}

static void obey(char *line)
{
    if (!strncmp(line, "install", 7))
        install(line + 7);
    else if (!strcmp(line, "uninstall"))
        printf("uninstall %s\n", manhole_error_text(manhole_uninstall()));
    else if (!strncmp(line, "log ", 4))
        printf("log %s\n", manhole_error_text(manhole_log("%s", line + 4)));
    else if (!strncmp(line, "out ", 4))
        say_out(line + 4);
    else if (!strncmp(line, "err ", 4))
        printf("err %d\n", say_err(line + 4));
    else if (!strcmp(line, "fork"))
        fork_child(0);
    else if (!strcmp(line, "forkpty"))
        fork_child(1);
    else if (!strncmp(line, "forkexec ", 9))
        fork_and_exec(line + 9);
    else if (!strncmp(line, "spawn ", 6))
        spawn_many(atoi(line + 6));
    else if (!strncmp(line, "block ", 6))
        block(atoi(line + 6));
    else if (!strncmp(line, "send ", 5))
        printf("signalled %d\n", send_signals(atoi(line + 5)));
    else if (!strcmp(line, "write"))
        start_writing();
    else if (!strcmp(line, "numbers"))
        printf("numbers pipe_signals %d failed_writes %d written %d\n", pipe_signals, failed_writes,
               writing);
    else if (!strncmp(line, "users ", 6))
        set_users(line + 6);
    else if (!strncmp(line, "exec ", 5))
        execl(line + 5, line + 5, NULL);
    else
        printf("what?\n");
    fflush(stdout);
}

static void say_goodbye(void)
{
    say_out("atexit ran");
}

int main(void)
{
    char line[1024];
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    action = (struct sigaction){.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL); /* the read below ends with EINTR, and so does the program */
    atexit(say_goodbye);
    /* What it starts gets no manhole of its own from these. */
    unsetenv("LD_PRELOAD");
    unsetenv("MANHOLE");
    say_out("ready");
    while (!interrupted && fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(line);
    }
    return 0;
}
