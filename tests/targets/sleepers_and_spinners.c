/*
 * Arguments: how many threads sleep, how many compute. Awkward: with many threads, whoever stops
 * all of them keeps them for long; those that compute cannot be looked at without a stop.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile unsigned long work;

static void *spin(void *unused)
{
    (void)unused;
    for (;;)
        work++;
    return NULL;
}

static void *sleep_on(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static int start(int count, void *(*function)(void *))
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    pthread_t thread;
    while (count-- > 0)
        if (pthread_create(&thread, &small, function, NULL))
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || start(atoi(argv[1]), sleep_on) || start(atoi(argv[2]), spin))
        return 1;
    usleep(100000); /* to let the sleepers fall asleep */
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
