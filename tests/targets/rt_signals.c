/*
 * The first real-time signal of the C library is blocked in every thread, and taken by
 * sigwaitinfo(2), as in a program that has a thread for its signals. For each line of standard
 * input it sends itself a hundred, and says how many came. Awkward: where a thread of somebody
 * else's does not block it, it ends the process.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static sigset_t awaited;
static _Atomic int received;

_Noreturn static void *take(void *unused)
{
    siginfo_t info;
    (void)unused;
    for (;;)
        if (sigwaitinfo(&awaited, &info) == SIGRTMIN)
            received++;
}

int main(void)
{
    char line[64];
    pthread_t thread;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &awaited, NULL);
    if (pthread_create(&thread, NULL, take, NULL))
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (int sent = 0; fgets(line, sizeof(line), stdin);) {
        for (int i = 0; i < 100; i++)
            sent += !kill(getpid(), SIGRTMIN);
        for (int i = 0; i < 5000 && received < sent; i++)
            usleep(1000);
        printf("received %d of %d\n", received, sent);
        fflush(stdout);
    }
    return 0;
}
