// BUILD: -rdynamic
/*
 * A program that prints: numbered lines on stdout and stderr from a thread each, every so many
 * microseconds (the argument; none: it is silent). Awkward: it never stops while others take its
 * output away and give it back; and it has functions that print in the middle of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pause_us;

static void write_whole(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t written = write(fd, text, size);
        if (written <= 0)
            abort();
        text += written;
        size -= (size_t)written;
    }
}

static void *print_lines(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char line[64];
    for (long i = 0;; i++) {
        write_whole(fd, line, (size_t)snprintf(line, sizeof(line), "line %ld of %d\n", i, fd));
        usleep((useconds_t)pause_us);
    }
    return NULL;
}

/* Prints `first`, and `second` when the file is there. */
int say_twice(const char *first, const char *file, const char *second)
{
    write_whole(1, first, strlen(first));
    while (access(file, F_OK) != 0)
        usleep(10000);
    write_whole(1, second, strlen(second));
    return 0;
}

/* Prints so many bytes, in lines of 64. */
int flood(int bytes)
{
    static const char line[] = "flood flood flood flood flood flood flood flood flood flood ...\n";
    for (; bytes > 0; bytes -= 64)
        write_whole(1, line, 64);
    return 7;
}

static _Atomic int is_held;
static void *hold_stdout(void *argument)
{
    flockfile(stdout);
    is_held = 1;
    for (;;)
        poll(NULL, 0, -1);
    return argument;
}

/* From then on nobody can use stdout, which has something to flush. */
int lock_stdout(void)
{
    pthread_t thread;
    printf("never flushed");
    pthread_create(&thread, NULL, hold_stdout, NULL);
    while (!is_held)
        usleep(1000);
    return 0;
}

void end_thread(void)
{
    write_whole(1, "before the end\n", 15);
    pthread_exit(NULL);
}

int fault(void)
{
    write_whole(1, "before the fault\n", 17);
    return *(volatile int *)8;
}

int is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pause_us = argc > 1 ? atoi(argv[1]) : 0;
    if (argc > 1)
        for (intptr_t fd = 1; fd <= 2; fd++)
            pthread_create(&thread, NULL, print_lines, (void *)fd);
    for (;;)
        poll(NULL, 0, -1);
}
