/*
 * A frame whose size only a register tells (alloca), below a call that does not save that register:
 * the kernel does not show it of a blocked thread, so this thread, and no other, must be stopped.
 */
#include <alloca.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void __attribute__((noinline)) wait_in_frame_of(size_t size)
{
    volatile char *room = alloca(size);
    room[0] = 1;
    pause();
    room[size - 1] = 2;
}

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(int argc, char **argv)
{
    (void)argv;
    pthread_t thread;
    for (int i = 0; i < 5; i++)
        pthread_create(&thread, NULL, sleeper, NULL);
    printf("ready\n");
    fflush(stdout);
    wait_in_frame_of((size_t)argc * 100);
    return 1;
}
