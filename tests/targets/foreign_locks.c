/*
 * Locks whose holder is in another process: a process-shared mutex, a robust one and one with
 * priority inheritance, in memory that two processes share. Awkward: their words name a thread that
 * the process does not have. A third process was forked while a thread held a mutex of its own
 * memory, and waits for it: that thread does not exist there.
 */
#include "tests/targets/asleep.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static struct shared {
    pthread_mutex_t plain, robust, inheriting;
    pthread_barrier_t held;
} * shared;
static pthread_mutex_t forked = PTHREAD_MUTEX_INITIALIZER;

static void make(pthread_mutex_t *mutex, int robust, int protocol)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_init(mutex, &attributes);
}

static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(0);
}

static void *hold_elsewhere(void *unused)
{
    pthread_setname_np(pthread_self(), "far holder");
    pthread_mutex_lock(&shared->plain);
    pthread_mutex_lock(&shared->robust);
    pthread_mutex_lock(&shared->inheriting);
    pthread_barrier_wait(&shared->held);
    for (;;)
        pause();
    return unused;
}

static void hold_in_child(void)
{
    pid_t parent = getpid(), child = fork();
    pthread_t thread;
    if (child == 0) {
        die_with(parent);
        pthread_create(&thread, NULL, hold_elsewhere, NULL);
        for (;;)
            pause();
    }
    printf("holder %d\n", child);
    pthread_barrier_wait(&shared->held);
}

static void *hold_and_fork(void *parent)
{
    pthread_mutex_lock(&forked);
    pid_t child = fork();
    if (child == 0) {
        die_with(*(pid_t *)parent);
        /* This thread is the child's only one, under a new id; it is not the holder any more. */
        pthread_mutex_lock(&forked);
    }
    printf("forked %d\n", child);
    for (;;)
        pause(); /* the child would die with this thread, not with the process */
    return parent;
}

static void *wait_for(void *mutex)
{
    pthread_setname_np(pthread_self(), mutex == &shared->plain    ? "plain"
                                       : mutex == &shared->robust ? "robust"
                                                                  : "inheriting");
    pthread_mutex_lock(mutex);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_barrierattr_t attributes;
    pid_t self = getpid();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make(&shared->plain, 0, 0);
    make(&shared->robust, PTHREAD_MUTEX_ROBUST, 0);
    make(&shared->inheriting, 0, PTHREAD_PRIO_INHERIT);
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->held, &attributes, 2);
    hold_in_child();
    pthread_create(&thread, NULL, hold_and_fork, &self);
    pthread_create(&thread, NULL, wait_for, &shared->plain);
    pthread_create(&thread, NULL, wait_for, &shared->robust);
    pthread_create(&thread, NULL, wait_for, &shared->inheriting);
    ready_when_asleep(4);
    for (;;)
        pause();
}
