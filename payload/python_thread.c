#include "payload/python_thread.h"

#include "payload/bell.h"
#include "payload/channel.h"
#include "payload/lock.h"
#include "payload/memory.h"
#include "payload/protocol.h"
#include "payload/python_api.h"
#include "payload/python_lines.h"
#include "payload/python_tee.h"
#include "payload/session.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"
#include "payload/worker.h"

#include <stdatomic.h>
#include <string.h>

/* As much as a thread of Python's own has; only what is touched is used. */
#define STACK_BYTES (8u << 20)
#define INTERRUPTER_STACK_BYTES (256u << 10)
/* While a task runs: how often to see whether its thread is alive, and the client there. */
#define WATCH_MS 200
/* An interrupt that the code has caught is said again. */
#define AGAIN_MS 1000
/* After the client has left: how long an interrupted task may take to end. */
#define LEAVE_MS 1500
#define READ_BYTES 4096

enum phase {
    NONE,      /* there is no thread */
    IDLE,      /* it sleeps, without the GIL */
    WAITING,   /* it has a task, and waits for the GIL */
    CANCELLED, /* it waits for the GIL, and has nothing to do with it any more */
    RUNNING,   /* it has the GIL, as far as Python gives it */
    LEAVING,   /* it ends its session: may wait for the GIL for it */
    ENDED,     /* to be joined */
};

static struct {
    pid_t pid;
    struct thread thread;
    _Atomic uint32_t phase;      /* enum phase */
    _Atomic bool leaving;        /* the session has ended */
    struct channel output, bell; /* what is printed; a byte for each change of the phase */

    enum python_task task;
    char *text;
    size_t text_size;
    uint32_t flags; /* of struct manhole_python */
    struct python_answer answer;

    /* Of the thread itself. */
    bool entered; /* its thread state stays between tasks */
    int outer;    /* of the PyGILState_Ensure that made it */
    struct python_thread_state *saved;

    /* A thread that raises KeyboardInterrupt: it takes the GIL too. */
    struct thread interrupter;
    _Atomic bool interrupter_ended;
    _Atomic uint32_t interruptible; /* the number of the task that runs; changed with the GIL */
    uint32_t number;
} state;

/* --- The bell. --- */

static void ring(void)
{
    if (descriptor_intact(&state.bell.out))
        sys_write(state.bell.out.fd, "", 1);
}

static void hush(void)
{
    char bytes[64];
    while (descriptor_intact(&state.bell.in) &&
           sys_read(state.bell.in.fd, bytes, sizeof(bytes)) == sizeof(bytes))
        ;
}

static void set_phase(enum phase phase)
{
    atomic_store(&state.phase, phase);
    lock_wake(&state.phase);
    ring();
}

static bool change_phase(enum phase from, enum phase to)
{
    uint32_t expected = from;
    if (!atomic_compare_exchange_strong(&state.phase, &expected, to))
        return false;
    lock_wake(&state.phase);
    return true;
}

/* --- On the thread. --- */

static unsigned long python_ident(void)
{
    return (unsigned long)state.thread.handle; /* PyThread_get_thread_ident: pthread_self */
}

/* True when the interpreter that we were in has ended since, and another may have begun: our thread
   state went with it. */
static bool is_stranded(void)
{
    return state.entered && python_api.PyGILState_GetThisThreadState() != state.saved;
}

static bool take_gil(void)
{
    if (!python_api_alive())
        return false;
    if (is_stranded()) {
        python_calls_forget();
        state.entered = false;
    }
    if (state.entered)
        python_api.PyEval_RestoreThread(state.saved);
    else
        state.outer = python_api.PyGILState_Ensure();
    return true;
}

static void give_gil_back(void)
{
    if (state.entered)
        state.saved = python_api.PyEval_SaveThread();
    else
        python_api.PyGILState_Release(state.outer);
}

/* The user's code forked, and this is the child: it has no manhole, and nothing to go on with. */
static void end_child(void)
{
    while (sys_getpid() != state.pid)
        SYS_CALL(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

static void do_task(void)
{
    python_answer_deinit(&state.answer);
    if (!state.entered)
        state.entered = python_calls_open(state.output.out.fd, python_tee_fd(), python_lines_fd());
    if (!state.entered) {
        state.answer.outcome = MANHOLE_FAILED;
        return;
    }
    bool runs_code = state.task <= PYTHON_COMPLETE;
    if (runs_code)
        python_calls_begin();
    atomic_store(&state.interruptible, state.number);
    python_calls_serve(state.task, state.text, state.text_size, state.flags & MANHOLE_PYTHON_VALUE,
                       &state.answer);
    end_child();
    atomic_store(&state.interruptible, 0);
    python_calls_absorb();
    if (runs_code)
        python_calls_end();
}

static void leave(void)
{
    if (state.entered && take_gil()) {
        if (state.entered)
            python_calls_close();
        python_api.PyGILState_Release(state.outer);
    }
    python_calls_forget();
    state.entered = false;
}

static void serve_tasks(void *argument)
{
    (void)argument;
    for (;;) {
        uint32_t phase = atomic_load(&state.phase);
        if (phase == LEAVING || (phase == IDLE && atomic_load(&state.leaving)))
            break;
        if (phase == IDLE) {
            lock_wait(&state.phase, IDLE, -1);
            continue;
        }
        if (!take_gil())
            break;
        bool wanted = change_phase(WAITING, RUNNING);
        if (wanted) {
            ring();
            do_task();
        }
        give_gil_back();
        if (wanted)
            set_phase(IDLE);
        else
            change_phase(CANCELLED, IDLE);
    }
    leave();
    set_phase(ENDED);
    bell_ring();
}

static void raise_interrupt(void *argument)
{
    if (python_api_alive()) {
        int gil = python_api.PyGILState_Ensure();
        if (atomic_load(&state.interruptible) == (uint32_t)(uintptr_t)argument)
            python_api.PyThreadState_SetAsyncExc(python_ident(), *python_api.keyboard_interrupt);
        python_api.PyGILState_Release(gil);
    }
    atomic_store(&state.interrupter_ended, true);
    bell_ring();
}

/* --- The thread's begin and end, seen from others. --- */

static bool reap_interrupter(void)
{
    if (!state.interrupter.started)
        return true;
    if (!atomic_load(&state.interrupter_ended) && thread_alive(&state.interrupter))
        return false;
    thread_join(&state.interrupter);
    return true;
}

static void drop_text(void)
{
    memory_unmap(state.text, state.text_size + 1);
    state.text = NULL;
    state.text_size = 0;
}

static void release(void)
{
    channel_close(&state.output);
    channel_close(&state.bell);
    python_tee_close();
    python_lines_close();
    drop_text();
    python_answer_deinit(&state.answer);
    state.entered = false;
    python_calls_forget();
    atomic_store(&state.leaving, false);
    atomic_store(&state.phase, NONE);
}

static bool is_gone(void)
{
    uint32_t phase = atomic_load(&state.phase);
    return phase == ENDED || (phase != NONE && !thread_alive(&state.thread));
}

bool python_thread_at_rest(void)
{
    if (!reap_interrupter())
        return false;
    if (is_gone()) {
        thread_join(&state.thread);
        release();
    }
    return atomic_load(&state.phase) == NONE;
}

static bool start(void)
{
    state.pid = sys_getpid();
    bool opened = channel_open(&state.output, 0);
    opened &= channel_open(&state.bell, 0);
    opened &= python_tee_open();
    opened &= python_lines_open();
    atomic_store(&state.phase, IDLE);
    if (opened && thread_start(&state.thread, "mh-python", STACK_BYTES, serve_tasks, NULL) == 0)
        return true;
    release();
    return false;
}

void python_thread_wake(void)
{
    ring();
}

pid_t python_thread_tid(void)
{
    return (pid_t)atomic_load(&state.thread.tid);
}

const char *python_thread_state(void)
{
    return atomic_load(&state.phase) == RUNNING ? "does not end what the console made it run"
                                                : "waits for Python's lock (the GIL)";
}

bool python_thread_is_caller(void)
{
    return state.thread.started &&
           stack_holds(&state.thread.stack, (uintptr_t)__builtin_frame_address(0));
}

void python_thread_forget(void)
{
    if (atomic_load(&state.phase) == NONE)
        return;
    thread_forget(&state.thread);
    thread_forget(&state.interrupter);
    release();
}

void python_thread_leave(void)
{
    if (atomic_load(&state.phase) == NONE)
        return;
    atomic_store(&state.leaving, true);
    change_phase(IDLE, LEAVING);
}

/* --- For the worker. --- */

static void sleep_until_rung(unsigned milliseconds)
{
    struct pollfd fds[] = {
        {.fd = state.bell.in.fd, .events = POLLIN},
        {.fd = state.output.in.fd, .events = POLLIN},
        python_tee_events(),
        python_lines_events(),
    };
    sys_poll(fds, sizeof(fds) / sizeof(fds[0]), milliseconds);
    hush();
}

/* Until the thread of an earlier session has ended; then there is one for this session. */
static enum python_status prepare(unsigned patience_ms)
{
    uint64_t end = sys_now_ms() + patience_ms;
    while (atomic_load(&state.leaving) && !python_thread_at_rest()) {
        uint32_t phase = atomic_load(&state.phase);
        if (sys_now_ms() >= end)
            return phase == RUNNING ? PYTHON_OCCUPIED : PYTHON_NO_GIL;
        sys_sleep_ms(1);
    }
    if (is_gone())
        return PYTHON_ENDED;
    return atomic_load(&state.phase) == NONE && !start() ? PYTHON_NO_THREAD : PYTHON_SERVED;
}

static enum python_status post(enum python_task task, const char *text, size_t size, uint32_t flags)
{
    uint32_t phase = atomic_load(&state.phase);
    if (phase != IDLE && phase != CANCELLED)
        return PYTHON_OCCUPIED;
    drop_text();
    state.text = memory_map(size + 1);
    if (!state.text)
        return PYTHON_NO_THREAD;
    state.text_size = size;
    memcpy(state.text, text, size);
    state.task = task;
    state.flags = flags;
    state.number += state.number == UINT32_MAX ? 2 : 1;
    python_lines_begin(flags & MANHOLE_PYTHON_INPUT);
    hush();
    while (!change_phase(CANCELLED, WAITING) && !change_phase(IDLE, WAITING)) {
        phase = atomic_load(&state.phase); /* from CANCELLED to IDLE just now; or it has ended */
        if (phase != IDLE && phase != CANCELLED)
            return PYTHON_ENDED;
    }
    return PYTHON_SERVED;
}

static enum python_status await_gil(unsigned gil_ms)
{
    uint64_t end = sys_now_ms() + gil_ms;
    while (atomic_load(&state.phase) == WAITING) {
        uint64_t now = sys_now_ms();
        if (!thread_alive(&state.thread))
            return PYTHON_ENDED;
        if ((now >= end || worker_interrupted()) && change_phase(WAITING, CANCELLED))
            return PYTHON_NO_GIL;
        sleep_until_rung(now < end && end - now < WATCH_MS ? (unsigned)(end - now) : WATCH_MS);
    }
    return PYTHON_SERVED;
}

static void forward(struct output *output)
{
    char bytes[READ_BYTES];
    long got;
    while (descriptor_intact(&state.output.in) &&
           (got = sys_read(state.output.in.fd, bytes, sizeof(bytes))) > 0) {
        output_bytes(output, bytes, (size_t)got);
        output_flush(output);
    }
    python_tee_forward(output);
}

static void interrupt(void)
{
    if (!reap_interrupter())
        return;
    atomic_store(&state.interrupter_ended, false);
    /* Without memory for it there is no interrupt; it is tried again. */
    (void)thread_start(&state.interrupter, "mh-interrupt", INTERRUPTER_STACK_BYTES, raise_interrupt,
                       (void *)(uintptr_t)state.number);
}

/* What the code prints, and what it reads. */
static void converse(struct output *output)
{
    forward(output);
    if (python_lines_asked()) {
        forward(output); /* all that it printed before */
        python_lines_want(output);
    }
    python_lines_step();
}

static enum python_status follow(struct output *output)
{
    uint64_t again_at = 0, left_at = 0;
    while (atomic_load(&state.phase) == RUNNING) {
        converse(output);
        if (!thread_alive(&state.thread))
            return PYTHON_ENDED;
        uint64_t now = sys_now_ms();
        if (!output_wanted(output) && now >= again_at) {
            if (!python_lines_interrupt())
                interrupt();
            again_at = now + AGAIN_MS;
        }
        if (output->dead || !session_connected())
            left_at = left_at ? left_at : now + LEAVE_MS;
        if (left_at && now >= left_at) {
            descriptor_close(&state.output.in); /* whoever prints is not to wait for us */
            python_lines_hang_up();             /* nor who reads */
            return PYTHON_LEFT_BEHIND;
        }
        if (atomic_load(&state.phase) == RUNNING)
            sleep_until_rung(WATCH_MS);
    }
    forward(output);
    python_lines_end();
    return PYTHON_SERVED;
}

enum python_status python_thread_serve(enum python_task task, const char *text, size_t size,
                                       uint32_t flags, unsigned gil_ms, struct output *output,
                                       struct python_answer *ret)
{
    *ret = (struct python_answer){0};
    output_flush(output);
    enum python_status status = prepare(gil_ms);
    if (status == PYTHON_SERVED)
        status = post(task, text, size, flags);
    if (status == PYTHON_SERVED)
        status = await_gil(gil_ms);
    if (status == PYTHON_SERVED)
        status = follow(output);
    if (status != PYTHON_SERVED)
        return status;
    if (is_gone())
        return PYTHON_ENDED;
    *ret = state.answer;
    state.answer = (struct python_answer){0};
    return PYTHON_SERVED;
}

void python_thread_explain(enum python_status status, unsigned gil_ms, char *text, size_t size)
{
    *text = '\0';
    switch (status) {
    case PYTHON_SERVED:
        return;
    case PYTHON_NO_THREAD:
        text_copy(text, size, "no memory or descriptors for a thread of Python");
        return;
    case PYTHON_NO_GIL:
        text_format(text, size, "Python's lock (the GIL) was not to be had within %u.%03u seconds",
                    gil_ms / 1000, gil_ms % 1000);
        return;
    case PYTHON_OCCUPIED:
        text_format(text, size, "what ran in Python before has not ended yet (thread %d)",
                    python_thread_tid());
        return;
    case PYTHON_ENDED:
        text_copy(text, size, "the Python interpreter has ended, or is about to");
        return;
    case PYTHON_LEFT_BEHIND:
        text_copy(text, size, "it was interrupted, and has not ended yet");
        return;
    }
}
