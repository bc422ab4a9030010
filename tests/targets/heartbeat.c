/*
 * What looking at a process costs it: N threads asleep below 16 functions, half of them in
 * epoll_wait (which a stop ends with EINTR) and half in a futex, and one thread that runs and notes
 * the longest time that it was away. For each line on standard input it prints "gap_us N eintr N"
 * since the line before. K more threads run all the time.
 *
 * heartbeat [N [K]]
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum { DEPTH = 16 };

static atomic_long longest_gap_us, interrupted;
static atomic_int asleep, ended; /* ended: never, but a compiler must not know */
static sem_t never_posted;

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static __attribute__((noinline)) int descend(int depth, int epoll)
{
    if (depth > 0) {
        volatile int below = descend(depth - 1, epoll);
        return below + 1;
    }
    atomic_fetch_add(&asleep, 1);
    while (!atomic_load(&ended)) {
        struct epoll_event event;
        int status = epoll >= 0 ? epoll_wait(epoll, &event, 1, -1) : sem_wait(&never_posted);
        if (status < 0 && errno == EINTR)
            atomic_fetch_add(&interrupted, 1);
    }
    return 0;
}

static void *sleep_below(void *argument)
{
    long number = (long)argument;
    descend(DEPTH, number % 2 ? epoll_create1(EPOLL_CLOEXEC) : -1);
    return NULL;
}

static void *beat(void *argument)
{
    (void)argument;
    for (long before = now_us(); !atomic_load(&ended);) {
        long now = now_us();
        if (now - before > atomic_load(&longest_gap_us))
            atomic_store(&longest_gap_us, now - before);
        before = now;
    }
    return NULL;
}

static void *run(void *argument)
{
    for (volatile long rounds = 0; !atomic_load(&ended);)
        rounds = rounds + 1;
    return argument;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 500;
    long running = argc > 2 ? atol(argv[2]) : 0;
    pthread_t thread;
    sem_init(&never_posted, 0, 0);
    for (long i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, sleep_below, (void *)i))
            return 1;
    while (atomic_load(&asleep) < count)
        ;
    if (pthread_create(&thread, NULL, beat, NULL))
        return 1;
    for (long i = 0; i < running; i++)
        if (pthread_create(&thread, NULL, run, NULL))
            return 1;
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
        printf("gap_us %ld eintr %ld\n", atomic_exchange(&longest_gap_us, 0),
               atomic_exchange(&interrupted, 0));
        fflush(stdout);
    }
}
