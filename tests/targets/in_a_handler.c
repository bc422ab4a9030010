/*
 * The only thread sleeps in a signal handler. Awkward: the handler may have interrupted malloc, and
 * no thread may be borrowed as long as it does not return, unless ("pause", "sigprocmask") it came
 * in a plain call. SIGTERM ends the handler's sleep.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void finish(int signal)
{
    (void)signal;
    over = 1;
}

static void linger(int signal)
{
    (void)signal;
    printf("ready\n");
    fflush(stdout);
    while (!over)
        usleep(10000);
}

static void interrupt_by(const char *call)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (!call) {
        raise(SIGUSR1);
    } else if (!strcmp(call, "pause")) {
        signal(SIGALRM, linger);
        alarm(1);
        pause();
    } else {
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGUSR1);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
}

int main(int argc, char **argv)
{
    signal(SIGTERM, finish);
    signal(SIGUSR1, linger);
    interrupt_by(argc > 1 ? argv[1] : NULL);
    for (;;)
        pause();
}
