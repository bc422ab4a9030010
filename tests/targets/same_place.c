/*
 * Does with its worker what it reads from the FIFO it is given. The worker waits below left(); the
 * command "right" wakes it to wait below right(), at the same program counter and stack pointer, in
 * the same call; "name" gives it another name while it sleeps; "successor" ends it and starts one
 * that has its id, has run as often, and waits at the same place too, below right(). Further
 * arguments: how many threads sleep beside it. Awkward: it looks as before, and is not.
 */
#include "tests/targets/asleep.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum place { LEFT, RIGHT, END };

static sem_t turn, never;
static volatile enum place place;
static volatile pid_t worker_tid;
static pthread_t worker;
static char stack[64 * 1024] __attribute__((aligned(4096)));
static int others;

static __attribute__((noinline)) void left(void)
{
    sem_wait(&turn);
    __asm__ volatile(""); /* no tail call */
}

static __attribute__((noinline)) void right(void)
{
    sem_wait(&turn);
    __asm__ volatile("");
}

static void *work(void *unused)
{
    worker_tid = (pid_t)syscall(SYS_gettid);
    while (place != END)
        (place == LEFT ? left : right)();
    return unused;
}

static void *sleep_on(void *unused)
{
    sem_wait(&never);
    return unused;
}

/* On a stack of ours, so that each worker has the same. */
static void start_worker(enum place where)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, sizeof(stack));
    place = where;
    if (pthread_create(&worker, &attributes, work, NULL))
        abort();
}

static void settle(void)
{
    while (count_asleep() < others + 1)
        usleep(1000);
}

static void wake(enum place next)
{
    place = next;
    sem_post(&turn);
}

static void end_worker(void)
{
    wake(END);
    pthread_join(worker, NULL);
}

/* How often it was put on a processor (proc(5), schedstat). */
static long runs(void)
{
    char path[64];
    long count = -1;
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", worker_tid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %*d %ld", &count) != 1)
        abort();
    fclose(file);
    return count;
}

/* The next thread gets the id behind this one, if no other process is faster. */
static int set_last_tid(pid_t tid)
{
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    int status = fd < 0 ? -1 : dprintf(fd, "%d", tid);
    close(fd);
    return status;
}

static const char *start_successor(void)
{
    pid_t tid = worker_tid;
    long wanted = runs();
    end_worker();
    for (int attempt = 0; attempt < 10000; attempt++) {
        usleep(20000); /* its start time is another one, which is counted in units of 10 ms */
        if (set_last_tid(tid - 1) < 0)
            return "impossible";
        start_worker(RIGHT);
        settle();
        if (worker_tid == tid) {
            for (long now; (now = runs()) < wanted;) {
                wake(RIGHT);
                while (runs() == now)
                    usleep(100);
                settle();
            }
            if (runs() == wanted)
                return "successor";
        }
        end_worker();
    }
    return "impossible";
}

int main(int argc, char **argv)
{
    char command[32];
    FILE *commands = fopen(argv[1], "r+"); /* a writer too, so that it never ends */
    others = argc > 2 ? atoi(argv[2]) : 0;
    sem_init(&turn, 0, 0);
    sem_init(&never, 0, 0);
    pthread_t other;
    for (int i = 0; i < others; i++)
        if (pthread_create(&other, NULL, sleep_on, NULL))
            return 1;
    start_worker(LEFT);
    ready_when_asleep(others + 1);
    while (fgets(command, sizeof(command), commands)) {
        const char *done = "right";
        if (!strcmp(command, "right\n")) {
            long before = runs();
            wake(RIGHT);
            while (runs() == before)
                usleep(100);
        } else if (!strcmp(command, "name\n")) {
            pthread_setname_np(worker, "renamed");
            done = "name";
        } else {
            done = start_successor();
        }
        settle();
        printf("ready %s\n", done);
        fflush(stdout);
    }
}
