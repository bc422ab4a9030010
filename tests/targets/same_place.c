/*
 * Does with its worker what it reads from the FIFO it is given. The worker waits below left(); the
 * command "right" wakes it to wait below right(), at the same program counter and stack pointer, in
 * the same call; "name" gives it another name while it sleeps; "successor" ends it and starts one
 * that has its id, has run as often, and waits at the same place too, below right(). Further
 * arguments: how many threads sleep beside it. Awkward: it looks as before, and is not. The worker
 * is made by clone3(2), which gives a thread the id that is asked for, whatever other processes do;
 * it shares the main thread's thread-local storage.
 */
#include "tests/targets/asleep.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum place { LEFT, RIGHT, END };

static sem_t turn, never;
static volatile enum place place;
static volatile pid_t worker_tid;
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

static void work(void)
{
    while (place != END)
        (place == LEFT ? left : right)();
}

static void *sleep_on(void *unused)
{
    sem_wait(&never);
    return unused;
}

/* Calls work() in a new thread on `stack`, so that each worker has the same; of id `wanted`, if
   that is not 0. Returns its id, or -1 with errno. */
static pid_t start_worker(enum place where, pid_t wanted)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                 CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID,
        .child_tid = (uintptr_t)&worker_tid,
        .parent_tid = (uintptr_t)&worker_tid,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof(stack),
        .set_tid = wanted ? (uintptr_t)&wanted : 0,
        .set_tid_size = wanted ? 1 : 0,
    };
    long result = SYS_clone3;
    place = where;
    __asm__ volatile("syscall\n\t"
                     "test %%eax, %%eax\n\t"
                     "jnz 1f\n\t"
                     ".cfi_remember_state\n\t"
                     ".cfi_undefined rip\n\t"
                     "call *%[work]\n\t"
                     "mov %[exit], %%eax\n\t"
                     "syscall\n\t"
                     ".cfi_restore_state\n"
                     "1:"
                     : "+a"(result)
                     : "D"(&args), "S"(sizeof(args)), [work] "b"(work), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : (pid_t)result;
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

/* As another thread does it (proc(5), comm). */
static void name_worker(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", worker_tid);
    FILE *file = fopen(path, "w");
    if (!file || fputs("renamed", file) < 0 || fclose(file))
        abort();
}

static void end_worker(void)
{
    wake(END);
    while (worker_tid) /* which the kernel clears */
        usleep(100);
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

static const char *start_successor(void)
{
    pid_t tid = worker_tid;
    long wanted = runs();
    do {
        end_worker();
        usleep(20000); /* its start time is another one, which is counted in units of 10 ms */
        /* EEXIST: the one before is about to go. */
        while (start_worker(RIGHT, tid) < 0)
            if (errno != EEXIST)
                return "impossible";
        settle();
        for (long now; (now = runs()) < wanted; settle()) {
            wake(RIGHT);
            while (runs() == now)
                usleep(100);
        }
    } while (runs() != wanted);
    return "successor";
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
    if (start_worker(LEFT, 0) < 0)
        return 1;
    while (runs() < 50) { /* enough for any successor to begin, on however busy a machine */
        wake(LEFT);
        usleep(100);
    }
    ready_when_asleep(others + 1);
    while (fgets(command, sizeof(command), commands)) {
        const char *done = "right";
        if (!strcmp(command, "right\n")) {
            long before = runs();
            wake(RIGHT);
            while (runs() == before)
                usleep(100);
        } else if (!strcmp(command, "name\n")) {
            name_worker();
            done = "name";
        } else {
            done = start_successor();
        }
        settle();
        printf("ready %s\n", done);
        fflush(stdout);
    }
}
