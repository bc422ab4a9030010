/*
 * The only thread sleeps in a signal handler. Awkward: the handler may have interrupted malloc, and
 * no thread may be borrowed as long as it does not return. SIGTERM ends the handler's sleep.
 */
#include <signal.h>
#include <stdio.h>
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

int main(void)
{
    signal(SIGTERM, finish);
    signal(SIGUSR1, linger);
    raise(SIGUSR1);
    for (;;)
        pause();
}
