// BUILD: -shared -fPIC
/*
 * A shared object with functions that serve a client of a manhole. Awkward: one waits for ever, one
 * faults, one ends its thread, one closes what it was given.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int handler_calls;

/* Answers each line with its length, and ends with the input. */
int lengths(int fd)
{
    char c, text[32];
    int length = 0;
    handler_calls++;
    while (read(fd, &c, 1) == 1) {
        length++;
        if (c != '\n')
            continue;
        snprintf(text, sizeof(text), "%d\n", length - 1);
        send(fd, text, strlen(text), MSG_NOSIGNAL);
        length = 0;
    }
    return 0;
}

int refuse(int fd)
{
    close(fd);
    return 3;
}

int fault(int fd)
{
    return *(volatile int *)(long)(fd - fd);
}

int wait_for_ever(int fd)
{
    send(fd, "waiting\n", 8, MSG_NOSIGNAL);
    for (;;)
        pause();
}

int end_thread(int fd)
{
    send(fd, "ending\n", 7, MSG_NOSIGNAL);
    pthread_exit(NULL);
}
