/*
 * leaves HOW: sleeps in its first thread, computes in another, allocates in a third. At SIGUSR1 a
 * fourth makes it end
 * ("exit", with status 7) or become another program, which is this one again ("exec"), that stays
 * ("stays"). Awkward: it does so at whatever moment the signal comes, and threads that somebody
 * holds end by it as all others do.
 *
 * The program that it has become prints "bad WHAT" if anything is not as after an execve(2) of
 * nobody's business.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *how;
static volatile double result;

static void *compute(void *unused)
{
    for (double x = 1;; x = x * 1.0000001 + 0.5) {
        if (x > 1e9) {
            x = 1;
            poll(NULL, 0, 1); /* others want the processor, too */
        }
        result = x;
    }
    return unused;
}

static void *allocate(void *unused)
{
    for (;;) {
        void *volatile block = malloc(1000);
        free(block);
        poll(NULL, 0, 1);
    }
    return unused;
}

static void *leave_when_told(void *unused)
{
    sigset_t told;
    int signal;
    sigemptyset(&told);
    sigaddset(&told, SIGUSR1);
    sigwait(&told, &signal);
    if (strcmp(how, "exec") != 0)
        exit(7);
    sigprocmask(SIG_UNBLOCK, &told, NULL);
    execl("/proc/self/exe", "leaves", "stays", NULL);
    return unused;
}

/* What is left of the program before: no signal that waits, none that is blocked. */
static void check_signals(void)
{
    sigset_t waiting, blocked;
    sigpending(&waiting);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int signal = 1; signal < NSIG; signal++) {
        if (sigismember(&waiting, signal) == 1)
            printf("bad: signal %d waits\n", signal);
        if (sigismember(&blocked, signal) == 1)
            printf("bad: signal %d is blocked\n", signal);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    how = argv[1];
    sigset_t told;
    sigemptyset(&told);
    sigaddset(&told, SIGUSR1);
    if (!strcmp(how, "stays"))
        check_signals();
    else
        sigprocmask(SIG_BLOCK, &told, NULL);
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, compute, NULL);
    pthread_create(&threads[1], NULL, allocate, NULL);
    pthread_create(&threads[2], NULL, leave_when_told, NULL);
    printf("ready, %s\n", how);
    fflush(stdout);
    for (;;)
        if (poll(NULL, 0, 60000) < 0) {
            printf("bad: interrupted\n");
            fflush(stdout);
        }
}
