/*
 * A thread in epoll_pwait, the only place where it lets a signal through, and one that sends it
 * that signal as soon as the one before was handled. Awkward: a signal that comes while the thread
 * is borrowed must make epoll_pwait return EINTR afterwards, no other reason may, and none may be
 * lost. Prints "bad WHAT" and "handled N".
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

static atomic_long handled;

static void handle(int signal)
{
    (void)signal;
    handled++;
}

static void *send_signals(void *receiver)
{
    static const struct timespec pause = {.tv_nsec = 300000};
    for (;;) {
        long before = handled;
        time_t start = time(NULL);
        pthread_kill(*(pthread_t *)receiver, SIGUSR1);
        while (handled == before && time(NULL) - start < 10)
            sched_yield();
        if (handled == before)
            printf("bad signal lost\n");
        if (handled % 1000 == 0)
            printf("handled %ld\n", handled);
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(void)
{
    struct sigaction action = {.sa_handler = handle};
    sigset_t blocked, waiting;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &blocked, &waiting);
    sigdelset(&waiting, SIGUSR1);
    int epoll = epoll_create1(0);
    pthread_t self = pthread_self(), sender;
    pthread_create(&sender, NULL, send_signals, &self);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event event;
        long before = handled;
        int result = epoll_pwait(epoll, &event, 1, -1, &waiting);
        if (result != -1 || errno != EINTR)
            printf("bad result of epoll_pwait\n");
        else if (handled == before)
            printf("bad EINTR without a signal\n");
    }
}
