#include "payload/thread.h"

#include "payload/lock.h"
#include "payload/manhole.h"
#include "payload/sys.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#define BIT(signal) (1ull << ((signal)-1))

/* Where the program's static thread storage does not fit beside our stack, more is tried. */
#define LARGEST_STACK (64u << 20)

static _Atomic uint64_t spared; /* signals that our threads do not block */

/* In glibc alone. */
const char *gnu_get_libc_version(void);
#pragma weak gnu_get_libc_version

uint64_t thread_all_signals(void)
{
    uint64_t open = BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP) |
                    BIT(SIGSYS) | BIT(32) | BIT(33);
    return ~(gnu_get_libc_version ? open : open | BIT(34));
}

uint64_t thread_blocked_signals(void)
{
    return thread_all_signals() & ~atomic_load(&spared);
}

void thread_set_blocked_signals(uint64_t signals)
{
    atomic_store(&spared, ~signals);
}

void thread_set_name(const char *name)
{
    SYS_CALL(SYS_prctl, PR_SET_NAME, name, 0, 0, 0, 0);
}

/*
 * The loan's thread may have been a real-time one, or pinned: that is not for us. The process as a
 * whole may be confined to some processors (taskset): then the first thread is, and we stay there.
 */
static void take_plain_scheduling(void)
{
    struct sched_param none = {0};
    long policy = SYS_CALL(SYS_sched_getscheduler, 0, 0, 0, 0, 0, 0);
    if (policy > 0 && policy != SCHED_BATCH && policy != SCHED_IDLE)
        SYS_CALL(SYS_sched_setscheduler, 0, SCHED_OTHER, &none, 0, 0, 0);
    unsigned long processors[128];
    long size =
        SYS_CALL(SYS_sched_getaffinity, sys_getpid(), sizeof(processors), processors, 0, 0, 0);
    if (size > 0)
        SYS_CALL(SYS_sched_setaffinity, 0, size, processors, 0, 0, 0);
}

MANHOLE_API int32_t manhole_threads[MANHOLE_THREADS_MAX];

/* Puts `after` into the first place that holds `before`. */
static void tell(int32_t before, int32_t after)
{
    for (size_t i = 0; before != after && i < MANHOLE_THREADS_MAX; i++) {
        int32_t expected = before;
        if (__atomic_compare_exchange_n(&manhole_threads[i], &expected, after, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return;
    }
}

bool thread_is_own(pid_t tid)
{
    for (size_t i = 0; i < MANHOLE_THREADS_MAX; i++) {
        if (__atomic_load_n(&manhole_threads[i], __ATOMIC_SEQ_CST) == tid)
            return true;
    }
    return false;
}

static void *begin(void *argument)
{
    struct thread *thread = argument;
    int32_t tid = (int32_t)sys_gettid();
    tell(0, tid);
    thread_set_name(thread->name);
    take_plain_scheduling();
    uint64_t blocked = thread_blocked_signals(); /* until now, all are */
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof(blocked), 0, 0);
    atomic_store(&thread->tid, (uint32_t)tid);
    lock_wake(&thread->tid);
    thread->main(thread->argument);
    tell(tid, 0);
    return NULL;
}

static int create(struct thread *thread, size_t stack_size)
{
    if (!stack_init(&thread->stack, stack_size))
        return ENOMEM;
    pthread_attr_t attributes;
    int status = pthread_attr_init(&attributes);
    if (!status) {
        status = pthread_attr_setstack(&attributes, stack_bottom(&thread->stack),
                                       thread->stack.size - MEMORY_PAGE);
        if (!status)
            status = pthread_create(&thread->handle, &attributes, begin, thread);
        pthread_attr_destroy(&attributes);
    }
    if (status)
        stack_deinit(&thread->stack);
    return status;
}

int thread_start(struct thread *thread, const char *name, size_t stack_size, void (*main)(void *),
                 void *argument)
{
    *thread = (struct thread){.name = name, .main = main, .argument = argument};
    uint64_t all = thread_all_signals(), before = 0;
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all), 0, 0);
    int status;
    do {
        status = create(thread, stack_size);
        stack_size *= 2;
    } while (status == EINVAL && stack_size <= LARGEST_STACK);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before), 0, 0);
    thread->started = status == 0;
    return status;
}

bool thread_wait_started(const struct thread *thread, uint64_t end)
{
    while (!atomic_load(&thread->tid)) {
        uint64_t now = sys_now_ms();
        if (now >= end)
            return false;
        lock_wait((_Atomic uint32_t *)&thread->tid, 0, (long)(end - now));
    }
    return true;
}

void thread_join(struct thread *thread)
{
    if (!thread->started)
        return;
    pthread_join(thread->handle, NULL);
    thread_forget(thread);
}

void thread_forget(struct thread *thread)
{
    /* It may have ended elsewhere than in its function. */
    tell((int32_t)atomic_load(&thread->tid), 0);
    stack_deinit(&thread->stack);
    *thread = (struct thread){0};
}

bool thread_alive(const struct thread *thread)
{
    int tid = (int)atomic_load(&thread->tid);
    return !tid || SYS_CALL(SYS_tgkill, sys_getpid(), tid, 0, 0, 0, 0) != -ESRCH;
}
