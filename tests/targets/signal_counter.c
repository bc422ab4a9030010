/*
 * A child queues real-time signals to us as fast as we take them, in threads that wait in various
 * calls or compute. Prints the child's pid; sent SIGUSR2, that stops and tells its count, and we
 * print "sent N, received N". Awkward: a signal that meets a tracer's stop is lost if that lets go
 * wrongly.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static atomic_long received, sent = -1;
static volatile sig_atomic_t told_to_stop;
static volatile unsigned long work;

static void count(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (signal == SIGRTMIN)
        received++;
    else
        sent = info->si_value.sival_int;
}

static void stop(int signal)
{
    told_to_stop = signal;
}

static void send_signals(pid_t parent)
{
    struct timespec moment = {.tv_nsec = 50000};
    int n = 0;
    signal(SIGUSR2, stop);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!told_to_stop) {
        n += !sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = n});
        nanosleep(&moment, NULL);
    }
    while (sigqueue(parent, SIGRTMIN + 1, (union sigval){.sival_int = n}))
        continue;
    for (;;)
        pause();
}

static void *wait_in_epoll(void *unused)
{
    struct epoll_event event;
    int fd = epoll_create1(0);
    (void)unused;
    for (;;)
        epoll_wait(fd, &event, 1, -1);
    return NULL;
}

static void *compute(void *unused)
{
    (void)unused;
    for (;;)
        work++;
    return NULL;
}

int main(void)
{
    pthread_t threads[3];
    struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGRTMIN + 1, &action, NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        send_signals(parent);
    if (pthread_create(&threads[0], NULL, wait_in_epoll, NULL) ||
        pthread_create(&threads[1], NULL, wait_in_epoll, NULL) ||
        pthread_create(&threads[2], NULL, compute, NULL))
        return 1;
    printf("child %d\nready\n", child);
    fflush(stdout);
    while (sent < 0)
        usleep(1000);
    for (int i = 0; i < 2000 && received < sent; i++)
        usleep(1000); /* another thread may still be in its handler */
    printf("sent %ld, received %ld\n", (long)sent, (long)received);
    fflush(stdout);
    for (;;)
        pause();
}
