/*
 * The main thread has ended, another lives on. Awkward: the process looks like a zombie, and its
 * own /proc entries (maps, exe, mem) are empty; those of the other thread are not.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *live_on(void *leader)
{
    pthread_join(*(pthread_t *)leader, NULL);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
    return NULL;
}

int main(void)
{
    static pthread_t leader;
    pthread_t thread;
    leader = pthread_self();
    if (pthread_create(&thread, NULL, live_on, &leader))
        return 1;
    pthread_exit(NULL);
}
