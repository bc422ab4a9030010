/*
 * Three threads that look at their errno all the time: one sleeps in a call that may be
 * interrupted and restarted, one spins, one allocates. Awkward: none of them sets it, so whoever
 * runs something on their behalf must give it back. Prints "bad WHO" when it changed.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PRECIOUS 4711

static void check(const char *who)
{
    if (errno == PRECIOUS)
        return;
    printf("bad %s: %d\n", who, errno);
    fflush(stdout);
    errno = PRECIOUS;
}

static void *spin(void *argument)
{
    errno = PRECIOUS;
    for (;;)
        check("spinner");
    return argument;
}

static void *allocate(void *argument)
{
    errno = PRECIOUS;
    for (;;) {
        void *volatile block = malloc(100);
        free(block);
        poll(NULL, 0, 1);
        check("allocator");
    }
    return argument;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, spin, NULL);
    pthread_create(&thread, NULL, allocate, NULL);
    printf("ready\n");
    fflush(stdout);
    errno = PRECIOUS;
    for (;;) {
        poll(NULL, 0, 20);
        check("sleeper");
    }
}
