/*
 * A thread for each kind of lock, named after it, that waits for what "holder" (the first thread
 * but main) holds. Awkward: nothing but a few words of memory tells one kind from another; the
 * semaphores, conditions and barriers are held by nobody.
 */
#include "tests/targets/asleep.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, recursive, checking, robust, inheriting, both;
pthread_mutex_t *shared, own = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER, being_read = PTHREAD_RWLOCK_INITIALIZER;
pthread_cond_t never = PTHREAD_COND_INITIALIZER;
pthread_barrier_t barrier;
pthread_once_t once = PTHREAD_ONCE_INIT;
sem_t empty;
static sem_t held;
static pthread_t holder;
static const struct timespec far = {.tv_sec = 1L << 33};

static void make(pthread_mutex_t *mutex, int type, int is_robust, int protocol, int is_shared)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setrobust(&attributes, is_robust);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutexattr_setpshared(&attributes, is_shared);
    if (pthread_mutex_init(mutex, &attributes))
        abort();
    pthread_mutex_lock(mutex);
}

static void *hold(void *unused)
{
    pthread_setname_np(pthread_self(), "holder");
    make(&recursive, PTHREAD_MUTEX_RECURSIVE, 0, 0, 0);
    make(&checking, PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0);
    make(&robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0);
    make(&inheriting, PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PRIO_INHERIT, 0);
    make(&both, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT, 0);
    make(shared, PTHREAD_MUTEX_RECURSIVE, 0, 0, PTHREAD_PROCESS_SHARED);
    pthread_mutex_lock(&plain);
    pthread_rwlock_wrlock(&written);
    pthread_rwlock_rdlock(&being_read);
    sem_post(&held);
    for (;;)
        pause();
    return unused;
}

/* Set by the one that runs `stay` in pthread_once: it is to be once1. */
static atomic_int once_is_taken;

static void stay(void)
{
    once_is_taken = 1;
    for (;;)
        pause();
}

/* Without a sleep, which would look like the wait. */
static int await_taken(void)
{
    while (!once_is_taken)
        sched_yield();
    return 0;
}

/* clang-format off */
#define KINDS(X)                                                         \
    X(plain, pthread_mutex_lock(&plain))                                 \
    X(timed, pthread_mutex_timedlock(&plain, &far))                      \
    X(recursive, pthread_mutex_lock(&recursive))                         \
    X(checking, pthread_mutex_lock(&checking))                           \
    X(robust, pthread_mutex_lock(&robust))                               \
    X(inheriting, pthread_mutex_lock(&inheriting))                       \
    X(both, pthread_mutex_lock(&both))                                   \
    X(shared, pthread_mutex_lock(shared))                                \
    X(reader, pthread_rwlock_rdlock(&written))                           \
    X(timed_reader, pthread_rwlock_timedrdlock(&written, &far))          \
    X(writer, pthread_rwlock_wrlock(&written))                           \
    X(writer2, pthread_rwlock_wrlock(&written))                          \
    X(other_writer, pthread_rwlock_wrlock(&being_read))                  \
    X(timed_writer, pthread_rwlock_timedwrlock(&being_read, &far))       \
    X(condition, pthread_mutex_lock(&own) + pthread_cond_wait(&never, &own)) \
    X(semaphore, sem_wait(&empty))                                       \
    X(timed_sem, sem_timedwait(&empty, &far))                            \
    X(barrier1, pthread_barrier_wait(&barrier))                          \
    X(barrier2, pthread_barrier_wait(&barrier))                          \
    X(join, pthread_join(holder, NULL))                                  \
    X(once1, pthread_once(&once, stay))                                  \
    X(once2, await_taken() + pthread_once(&once, stay))
/* clang-format on */

#define DEFINE(name, call)                          \
    static void *wait_##name(void *unused)          \
    {                                               \
        pthread_setname_np(pthread_self(), #name);  \
        int result = (call);                        \
        printf("returned " #name ": %d\n", result); \
        fflush(stdout);                             \
        return unused;                              \
    }
KINDS(DEFINE)

#define ROW(name, call) wait_##name,
int main(void)
{
    void *(*const bodies[])(void *) = {KINDS(ROW)};
    int count = sizeof(bodies) / sizeof(bodies[0]);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrier_init(&barrier, NULL, 3);
    sem_init(&empty, 0, 0);
    sem_init(&held, 0, 0);
    pthread_create(&holder, NULL, hold, NULL);
    sem_wait(&held);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, bodies[i], NULL))
            return 1;
        while (count_asleep() < i + 2) /* in this order */
            usleep(1000);
    }
    ready_when_asleep(count + 1);
    for (;;)
        pause();
}
