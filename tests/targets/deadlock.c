/*
 * Threads that wait for each other for ever. The argument says how: a number of them in a circle of
 * mutexes, each with one more thread behind it; "self", one that locks what it holds; "join", two
 * that hold and join; "chain", three that join one another in turn and the first of them waits for
 * nobody; "writers", a circle over an rwlock.
 */
#include "tests/targets/asleep.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MOST 8
pthread_mutex_t locks[MOST];
pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t together;
static pthread_t threads[MOST];
static int count;
static atomic_int arrived; /* threads with nothing left to do but their last wait */

static void name(const char *kind, long i)
{
    char text[16];
    snprintf(text, sizeof(text), "%s-%ld", kind, i);
    pthread_setname_np(pthread_self(), text);
}

/* On its way there a thread may sleep too, at the barrier or while its stack is mapped. */
static void wait_for_arrivals(int number)
{
    while (atomic_load(&arrived) < number)
        usleep(1000);
}

static void ready_when_waiting(int number)
{
    wait_for_arrivals(number);
    ready_when_asleep(number);
}

static void arrive(void)
{
    atomic_fetch_add(&arrived, 1);
}

static void *in_circle(void *number)
{
    long i = (long)number;
    name("circle", i);
    pthread_mutex_lock(&locks[i]);
    pthread_barrier_wait(&together);
    arrive();
    pthread_mutex_lock(&locks[(i + 1) % count]);
    return NULL;
}

static void *behind(void *number)
{
    name("behind", (long)number);
    arrive();
    pthread_mutex_lock(&locks[(long)number]);
    return NULL;
}

static void *joiner(void *number)
{
    long i = (long)number;
    name("join", i);
    arrive();
    if (i > 0)
        pthread_join(threads[i - 1], NULL);
    for (;;)
        pause();
    return NULL;
}

/* Holds the mutex and joins the one who waits for it. */
static void *holding_joiner(void *number)
{
    name("holder", (long)number);
    pthread_mutex_lock(&locks[0]);
    pthread_barrier_wait(&together);
    arrive();
    pthread_join(threads[1], NULL);
    return NULL;
}

static void *joined(void *number)
{
    name("joined", (long)number);
    pthread_barrier_wait(&together);
    arrive();
    pthread_mutex_lock(&locks[0]);
    return NULL;
}

static void *writer(void *number)
{
    long i = (long)number;
    name("writer", i);
    if (i)
        pthread_mutex_lock(&locks[0]);
    else
        pthread_rwlock_wrlock(&rwlock);
    pthread_barrier_wait(&together);
    arrive();
    if (i)
        pthread_rwlock_rdlock(&rwlock);
    else
        pthread_mutex_lock(&locks[0]);
    return NULL;
}

static void *self(void *number)
{
    name("self", (long)number);
    pthread_mutex_lock(&locks[0]);
    arrive();
    pthread_mutex_lock(&locks[0]);
    return NULL;
}

static void start(long i, void *(*body)(void *))
{
    if (pthread_create(&threads[i], NULL, body, (void *)i))
        abort();
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "2";
    pthread_t thread;
    pthread_barrier_init(&together, NULL, 2);
    if (!strcmp(how, "self")) {
        start(0, self);
        ready_when_waiting(1);
    } else if (!strcmp(how, "join")) {
        start(1, joined);
        start(0, holding_joiner);
        ready_when_waiting(2);
    } else if (!strcmp(how, "writers")) {
        start(0, writer);
        start(1, writer);
        ready_when_waiting(2);
    } else if (!strcmp(how, "chain")) {
        for (long i = 0; i < 3; i++)
            start(i, joiner);
        ready_when_waiting(3);
    } else {
        count = atoi(how) > 1 && atoi(how) <= MOST ? atoi(how) : 2;
        pthread_barrier_init(&together, NULL, (unsigned)count);
        for (long i = 0; i < count; i++)
            start(i, in_circle);
        wait_for_arrivals(count);
        for (long i = 0; i < count; i++)
            pthread_create(&thread, NULL, behind, (void *)i);
        ready_when_waiting(2 * count);
    }
    for (;;)
        pause();
}
