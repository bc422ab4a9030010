/* Sleeps in poll, over and over, allocates a little between, and has a second thread that does the
   same. Nothing awkward: other targets are built from it. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *sleep_and_allocate(void *argument)
{
    for (;;) {
        poll(NULL, 0, 5);
        void *volatile block = malloc(100);
        free(block);
    }
    return argument;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_and_allocate, NULL);
    printf("ready\n");
    fflush(stdout);
    sleep_and_allocate(NULL);
}
