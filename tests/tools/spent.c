/*
 * spent [-t TEXT] COMMAND...: runs it and prints, on descriptor 3, the microseconds from its start to
 * its end, its peak memory in KiB (getrusage(2), ru_maxrss), and its wait status. With -t it runs on a
 * terminal of its own and the time is that until it has written TEXT; it is sent an end of input then.
 */
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

/* Reads until the text was there, then to the end; returns when the text came, 0: never. */
static long await_text(int terminal, const char *text)
{
    static char seen[1 << 20];
    size_t size = 0;
    long came = 0;
    for (ssize_t got; (got = read(terminal, seen + size, sizeof(seen) - size - 1)) > 0;) {
        size += (size_t)got;
        seen[size] = '\0';
        if (!came && strstr(seen, text)) {
            came = now_us();
            (void)!write(terminal, "\x04", 1);
        }
        if (size == sizeof(seen) - 1)
            size = 0;
    }
    return came;
}

int main(int argc, char **argv)
{
    const char *text = argc > 3 && strcmp(argv[1], "-t") == 0 ? argv[2] : NULL;
    argv += text ? 3 : 1;
    int terminal, status;
    struct rusage usage;
    long start = now_us();
    pid_t child = text ? forkpty(&terminal, NULL, NULL, NULL) : fork();
    if (child == 0) {
        close(3);
        execvp(argv[0], argv);
        _exit(127);
    }
    long end = text ? await_text(terminal, text) : 0;
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return 1;
    if (!text)
        end = now_us();
    dprintf(3, "%ld %ld %d\n", end ? end - start : -1, usage.ru_maxrss, status);
}
