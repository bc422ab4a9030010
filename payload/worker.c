#include "payload/worker.h"

#include "payload/bell.h"
#include "payload/console.h"
#include "payload/guard.h"
#include "payload/lock.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"

#include <stdatomic.h>

/* What is called may need as much as in a thread of the program; only what is touched is used. */
#define STACK_BYTES (1u << 20)
#define IDLE_NAME "mh-idle"

enum phase { IDLE, GIVEN, FINISHED };

static struct {
    struct thread thread;
    _Atomic uint32_t phase; /* enum phase: what the worker sleeps on */
    struct job job;
    enum job_result result;
    _Atomic bool interrupted, answering;
    pid_t named_after; /* client whose pid is in the thread's name */
} state;

static void name_after(pid_t client)
{
    if (state.named_after == client)
        return;
    state.named_after = client;
    char name[16];
    text_format(name, sizeof(name), "mh<%d", client);
    thread_set_name(client ? name : IDLE_NAME);
}

static void work(void *argument)
{
    (void)argument;
    bool entered = guard_enter_thread();
    for (;;) {
        uint32_t phase = atomic_load(&state.phase);
        if (phase != GIVEN) {
            lock_wait(&state.phase, phase, -1);
            continue;
        }
        if (state.job.kind == JOB_STOP)
            break;
        name_after(state.job.client);
        /* Without an alternate stack an overflow in a call could not be caught. */
        state.result = entered ? console_run(&state.job) : JOB_LOST;
        atomic_store(&state.phase, FINISHED);
        bell_ring();
    }
    if (entered)
        guard_leave_thread();
}

int worker_start(void)
{
    state.named_after = 0;
    atomic_store(&state.interrupted, false);
    atomic_store(&state.phase, IDLE);
    return thread_start(&state.thread, IDLE_NAME, STACK_BYTES, work, NULL);
}

bool worker_wait_started(uint64_t end)
{
    return thread_wait_started(&state.thread, end);
}

void worker_join(void)
{
    thread_join(&state.thread);
}

bool worker_is_caller(void)
{
    return stack_holds(&state.thread.stack, (uintptr_t)__builtin_frame_address(0));
}

void worker_forget(void)
{
    thread_forget(&state.thread);
}

void worker_give(const struct job *job)
{
    state.job = *job;
    atomic_store(&state.interrupted, false);
    atomic_store(&state.answering, false);
    atomic_store(&state.phase, GIVEN);
    lock_wake(&state.phase);
}

void worker_rest(void)
{
    char path[64];
    text_format(path, sizeof(path), "/proc/self/task/%d/comm", worker_tid());
    long fd = sys_move_high(sys_open(path, O_WRONLY, 0));
    if (fd < 0)
        return; /* no /proc: the last client's name stays, and does no harm */
    sys_write((int)fd, IDLE_NAME, sizeof(IDLE_NAME) - 1);
    sys_close((int)fd);
    state.named_after = 0;
}

bool worker_busy(void)
{
    return atomic_load(&state.phase) != IDLE;
}

bool worker_take_result(enum job_result *result)
{
    if (atomic_load(&state.phase) != FINISHED)
        return false;
    *result = state.result;
    atomic_store(&state.phase, IDLE);
    return true;
}

void worker_interrupt(void)
{
    atomic_store(&state.interrupted, true);
    guard_cut();
}

void worker_forget_interrupt(void)
{
    atomic_store(&state.interrupted, false);
}

bool worker_answering(void)
{
    return atomic_load(&state.answering);
}

bool worker_is_dead(void)
{
    return atomic_load(&state.phase) == GIVEN && !thread_alive(&state.thread);
}

int worker_replace(void)
{
    thread_join(&state.thread);
    guard_bury();
    return worker_start();
}

pid_t worker_tid(void)
{
    return (pid_t)atomic_load(&state.thread.tid);
}

bool worker_interrupted(void)
{
    return atomic_load(&state.interrupted);
}

void worker_answer(void)
{
    atomic_store(&state.answering, true);
}
