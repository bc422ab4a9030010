/*
 * Threads whose description is awkward: six that wait alike, one whose name holds an escape
 * sequence and a byte that is no UTF-8, one in a poll with a time-out, one that waits for a mutex,
 * and one with a stack that is deep.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int work[2];

static void __attribute__((noinline)) wait_for_work(void)
{
    char byte;
    while (read(work[0], &byte, 1) < 0)
        continue;
}

static void *twin(void *unused)
{
    prctl(PR_SET_NAME, "twin");
    wait_for_work();
    return unused;
}

static void *evil(void *unused)
{
    prctl(PR_SET_NAME, "ev\033[31mil\xff\"\\");
    wait_for_work();
    pause();
    return unused;
}

static void *poller(void *unused)
{
    struct pollfd fds[2] = {{.fd = work[0], .events = POLLPRI}, {.fd = -1}};
    prctl(PR_SET_NAME, "poller");
    for (;;)
        poll(fds, 2, 3600 * 1000);
    return unused;
}

static void *locker(void *unused)
{
    prctl(PR_SET_NAME, "locker");
    pthread_mutex_lock(&mutex);
    return unused;
}

static int __attribute__((noinline)) descend(int depth)
{
    int result = depth > 0 ? descend(depth - 1) + 1 : pause();
    __asm__ volatile("" : "+r"(result)); /* no tail call */
    return result;
}

static void *deep(void *unused)
{
    prctl(PR_SET_NAME, "deep");
    descend(1000);
    return unused;
}

/* In its call: /proc says so, where a thread that has not run yet would not. */
static int is_asleep(void)
{
    FILE *pipe = popen("grep -h '^State:' /proc/$PPID/task/*/status | grep -c 'S (sleeping)'", "r");
    int count = 0;
    if (!pipe || fscanf(pipe, "%d", &count) != 1)
        count = 0;
    if (pipe)
        pclose(pipe);
    return count >= 10;
}

int main(void)
{
    void *(*const bodies[])(void *) = {twin, twin, twin,   twin,   twin,
                                       twin, evil, poller, locker, deep};
    pthread_t thread;
    if (pipe(work))
        return 1;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        pthread_create(&thread, NULL, bodies[i], NULL);
    while (!is_asleep())
        usleep(1000);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
