/*
 * Two threads wait for a byte each of the same file; the argument is a directory for it. Awkward:
 * the kernel lists both under the id of this process, and the bytes are held by two others.
 */
#include "tests/targets/asleep.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

static int file;

static struct flock byte_lock(long number)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
}

static void *wait_for(void *argument)
{
    struct flock lock = byte_lock((long)argument);
    pthread_setname_np(pthread_self(), argument ? "second" : "first");
    fcntl(file, F_SETLKW, &lock);
    return NULL;
}

static void start_holder(long number)
{
    int held[2];
    char byte;
    pid_t parent = getpid(), child = pipe(held) ? -1 : fork();
    if (child < 0)
        abort();
    if (child == 0) {
        struct flock lock = byte_lock(number);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fcntl(file, F_SETLK, &lock);
        close(held[1]);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    close(held[1]);
    if (read(held[0], &byte, 1)) /* until it holds it and has closed its end */
        abort();
    printf("holder-%ld %d\n", number, child);
}

int main(int argc, char **argv)
{
    char path[4096];
    pthread_t thread;
    snprintf(path, sizeof(path), "%s/ranges", argc > 1 ? argv[1] : ".");
    file = open(path, O_RDWR | O_CREAT, 0600);
    for (long number = 0; number < 2; number++) {
        fflush(stdout);
        start_holder(number);
        if (pthread_create(&thread, NULL, wait_for, (void *)number))
            return 1;
    }
    ready_when_asleep(2);
    for (;;)
        pause();
}
