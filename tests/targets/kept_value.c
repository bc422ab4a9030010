// BUILD: -O2
/*
 * A value in a register that the kernel does not show of a blocked thread, and that no function
 * further in saves: to see it, that thread must be stopped. The others have values in memory, and
 * the same stack though not the same values.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile long sink;

static __attribute__((noinline)) void wait_with(long seed)
{
    long kept = seed * 3;
    pause();
    sink = kept;
}

static void *sleeper(void *argument)
{
    volatile long number = (long)argument;
    for (;;)
        pause();
    return (void *)number;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    (void)argv;
    for (long i = 0; i < 10; i++)
        pthread_create(&thread, NULL, sleeper, (void *)(100 + i % 2));
    printf("ready\n");
    fflush(stdout);
    wait_with(argc * 7);
    return 1;
}
