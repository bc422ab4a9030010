/*
 * Threads that lock and unlock two mutexes as fast as they can, always in the right order. Awkward:
 * at every moment some of them hold one and wait for the other, and an eye that is too slow sees
 * locks of different moments, which look like a circle.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 6

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;

static void *both(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&first);
        pthread_mutex_lock(&second);
        pthread_mutex_unlock(&second);
        pthread_mutex_unlock(&first);
    }
    return unused;
}

/* Holds the second alone for a while, so that others sleep on it holding the first. */
static void *one(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&second);
        sched_yield();
        pthread_mutex_unlock(&second);
        pthread_mutex_lock(&first);
        pthread_mutex_unlock(&first);
    }
    return unused;
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread, NULL, i % 2 ? one : both, NULL);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
