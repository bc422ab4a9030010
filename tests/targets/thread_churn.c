/*
 * Threads that are born and end all the time, a few hundred microseconds each. Awkward: one that
 * was listed is gone when it is looked at, and one that was born meanwhile is not in the list.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void *live_shortly(void *unused)
{
    struct timespec moment = {.tv_nsec = 200000};
    (void)unused;
    nanosleep(&moment, NULL);
    return NULL;
}

static void *create_threads(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t threads[4];
        int count = 0;
        while (count < 4 && !pthread_create(&threads[count], NULL, live_shortly, NULL))
            count++;
        while (count)
            pthread_join(threads[--count], NULL);
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, create_threads, NULL))
            return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
