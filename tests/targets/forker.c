// BUILD: -rdynamic -lutil
/*
 * A program that makes children in every way, as standard input says, one word a line; each is
 * answered by a line. Awkward: it forks while its other threads allocate and make threads, and it
 * exits in every way, with handlers that want to have their say.
 */
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const sleeper[] = {(char[]){"sleep"}, (char[]){"1000"}, NULL};
static char *const nothing[] = {(char[]){"true"}, NULL};

int leave_with(int status)
{
    exit(status);
}
int add(int a, int b)
{
    return a + b;
}

static pid_t self;
static void say_goodbye(void)
{
    if (getpid() == self)
        puts("atexit ran");
}

static void on_signal(int signal)
{
    exit(signal);
}

/* As long as the test wants: it ends them by pid. */
__attribute__((noreturn)) static void live(void)
{
    for (;;)
        pause();
}

/* The child, or 0 in it. */
static pid_t make_child(const char *how)
{
    pid_t child = -1;
    int terminal;
    if (!strcmp(how, "forkpty"))
        child = forkpty(&terminal, NULL, NULL, NULL);
    else if (!strcmp(how, "clone"))
        child = (pid_t)syscall(SYS_fork); /* unknown to the C library */
    else if (!strcmp(how, "vfork") && (child = vfork()) == 0)
        _exit(execvp(sleeper[0], sleeper));
    else if (!strcmp(how, "spawn"))
        posix_spawnp(&child, sleeper[0], NULL, NULL, sleeper, environ);
    else if (strcmp(how, "vfork"))
        child = fork();
    return child;
}

static void be_child(const char *how)
{
    if (!strcmp(how, "exit"))
        exit(5);
    if (!strcmp(how, "exec") && usleep(300000) == 0)
        execvp(sleeper[0], sleeper);
    if (!strcmp(how, "grandchild") && fork() == 0)
        printf("child %d\n", getpid());
    if (!strcmp(how, "daemon")) {
        if (daemon(1, 1) != 0)
            abort();
        printf("child %d\n", getpid());
    }
    live();
}

/* Children that do nothing, or execute something, `count` at a time; all must end well. */
static void make_many(const char *what, int count)
{
    int bad = 0, status;
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0)
            bad++;
        if (child)
            continue;
        free(malloc(1000));
        if (!strcmp(what, "execs"))
            execv("/bin/true", nothing);
        _exit(!strcmp(what, "execs"));
    }
    for (int i = 0; i < count; i++)
        bad += wait(&status) < 0 || status != 0;
    printf("%s done, bad %d\n", what, bad);
}

static void *end_at_once(void *argument)
{
    return argument;
}
static void *be_busy(void *argument)
{
    for (unsigned i = 0; !argument; i++) {
        void *memory = malloc(i % 5000);
        pthread_t thread;
        if (i % 50 == 0 && pthread_create(&thread, NULL, end_at_once, NULL) == 0)
            pthread_join(thread, NULL);
        free(memory);
    }
    return NULL;
}

static void obey(char *line)
{
    char *word = strtok(line, " "), *argument = strtok(NULL, " ");
    int number = argument ? atoi(argument) : 0;
    if (!word)
        return;
    if (!strcmp(word, "busy")) {
        pthread_t thread;
        for (int i = 0; i < 3; i++)
            pthread_create(&thread, NULL, be_busy, NULL);
        puts("busy");
    } else if (!strcmp(word, "execs") || !strcmp(word, "forks")) {
        make_many(word, number);
    } else if (!strcmp(word, "leave")) {
        exit(number);
    } else if (!strcmp(word, "leave_quickly")) {
        _exit(number);
    } else if (!strcmp(word, "reap")) {
        int status;
        pid_t child = waitpid(number ? number : -1, &status, 0);
        printf("ended %d with %d\n", child, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    } else {
        pid_t child = make_child(word);
        if (!child)
            be_child(word);
        printf("child %d\n", child);
    }
}

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    self = getpid();
    atexit(say_goodbye);
    signal(SIGUSR1, on_signal);
    puts("ready");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(line);
    }
    return 7;
}
