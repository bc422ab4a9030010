/*
 * Threads (the first argument: how many, 1 if none) that do nothing but malloc and free. Awkward:
 * almost wherever one is stopped it is inside malloc, with its locks held or its lists half
 * changed; in a program of one thread malloc does not even take a lock. Prints "bad" when memory is
 * not what it was.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *hammer(void *argument)
{
    unsigned random = (unsigned)(unsigned long)argument;
    unsigned char *blocks[128] = {0}, tags[128];
    for (;;) {
        random = random * 1103515245 + 12345;
        unsigned i = random >> 8 & 127;
        size_t size = 64 + (random >> 16) % 8192;
        if (blocks[i] && (blocks[i][0] != tags[i] || blocks[i][63] != tags[i])) {
            printf("bad\n");
            fflush(stdout);
        }
        free(blocks[i]);
        blocks[i] = malloc(size);
        tags[i] = (unsigned char)random;
        memset(blocks[i], tags[i], 64);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    long threads = count > 1 ? atol(arguments[1]) : 1;
    printf("ready\n");
    fflush(stdout);
    for (long i = 1; i < threads; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, hammer, (void *)i);
    }
    hammer(NULL);
}
