/*
 * Does what it reads from the FIFO it is given: "left" and "right" wait for the next command below
 * a function of that name, "library" below one of a library that is loaded only now, "born" starts
 * a thread and "die" ends it, "exec" starts the program anew, "end" ends it. Awkward: what one look
 * finds, the next does not.
 */
// BUILD: -ldl
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char command[32];
static sem_t life;

static int commands;

/* Unbuffered: what an exec would lose. */
static __attribute__((noinline)) void next_command(void)
{
    size_t used = 0;
    char c;
    while (read(commands, &c, 1) == 1 && c != '\n')
        command[used++ % (sizeof(command) - 1)] = c;
    command[used] = '\0';
}

static void say_ready(const char *where)
{
    printf("ready %s\n", where);
    fflush(stdout);
}

static __attribute__((noinline)) void left(void)
{
    say_ready("left");
    next_command();
    __asm__ volatile(""); /* no tail call */
}

static __attribute__((noinline)) void right(void)
{
    say_ready("right");
    next_command();
    __asm__ volatile("");
}

/* zlib asks for its input before it does anything. */
static unsigned feed(void *unused, unsigned char **bytes)
{
    (void)unused;
    *bytes = NULL;
    say_ready("library");
    next_command();
    return 0;
}

static int drain(void *unused, unsigned char *bytes, unsigned size)
{
    (void)unused, (void)bytes, (void)size;
    return 0;
}

static void wait_in_library(void)
{
    void *library = dlopen("libz.so.1", RTLD_NOW);
    int (*init)(z_stream *, int, unsigned char *, const char *, int) =
        library ? dlsym(library, "inflateBackInit_") : NULL;
    int (*run)(z_stream *, in_func, void *, out_func, void *) =
        library ? dlsym(library, "inflateBack") : NULL;
    static unsigned char window[1 << 15];
    static z_stream stream;
    if (!init || !run || init(&stream, 15, window, ZLIB_VERSION, (int)sizeof(stream)))
        abort();
    run(&stream, (in_func)feed, NULL, drain, NULL);
}

static void *live(void *unused)
{
    pthread_setname_np(pthread_self(), "brief");
    say_ready("born");
    sem_wait(&life);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    sem_init(&life, 0, 0);
    commands = open(argv[1], O_RDWR | O_CLOEXEC);
    strcpy(command, argc > 2 ? "right" : "left");
    while (strcmp(command, "end")) {
        if (!strcmp(command, "left")) {
            left();
        } else if (!strcmp(command, "right")) {
            right();
        } else if (!strcmp(command, "library")) {
            wait_in_library();
        } else if (!strcmp(command, "born")) {
            pthread_create(&thread, NULL, live, NULL);
            next_command();
        } else if (!strcmp(command, "die")) {
            sem_post(&life);
            pthread_join(thread, NULL);
            say_ready("died");
            next_command();
        } else {
            execl("/proc/self/exe", argv[0], argv[1], "again", (char *)NULL);
            abort();
        }
    }
    return 0;
}
