/*
 * Who holds the lock of a Python interpreter (the GIL), and who waits for it.
 *
 * A thread that waits for the GIL sleeps on a condition within it, for the switch interval of 5 ms
 * at a time: that it sleeps on cannot be asked for. What can: a thread that has the GIL gives it
 * back itself or not at all. If it sleeps from the watch on, it has the GIL from then on; one that
 * is seen to wait for the GIL after the watch waits until the other one goes on, and what it holds
 * itself from then on, it holds as long. Hence the order: the sleeper is watched, the GIL is read,
 * the others are seen to wait for it, and only then is read who holds which mutex. One mutex they
 * do let go: that within the GIL (wait_is_in_gil).
 */
#include "injector/cleanup.h"
#include "src/waits_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t index_of(const struct report *report, pid_t tid)
{
    for (size_t i = 0; i < report->thread_count; i++) {
        if (tid && report->threads[i].thread->tid == tid)
            return i;
    }
    return NO_THREAD;
}

static bool is_known(const struct search *search, const struct python_gil *gil)
{
    for (size_t i = 0; i < search->gil_count; i++) {
        if (search->gils[i].gil.address == gil->address)
            return true;
    }
    return !gil->address;
}

static struct error *add_gil(struct search *search, const struct python_gil *gil)
{
    if (is_known(search, gil))
        return NULL;
    struct search_gil *larger = reallocarray(search->gils, search->gil_count + 1, sizeof(*larger));
    if (!larger)
        return error_no_memory();
    size_t holder = gil->state == GIL_HELD ? index_of(search->report, gil->tid) : NO_THREAD;
    if (holder != NO_THREAD && !search->watched[holder])
        holder = NO_THREAD;
    if (holder != NO_THREAD)
        search->waits->waits[holder].holds_gil = true;
    search->gils = larger;
    search->gils[search->gil_count++] = (struct search_gil){*gil, holder};
    return NULL;
}

/* Interpreters share one or have their own; each is that of some thread. */
static struct error *list_gils(struct search *search, const struct python_memory *memory)
{
    const struct report *report = search->report;
    struct python_threads *threads = NULL;
    CLEANUP_FREE pid_t *tids = calloc(report->thread_count + 1, sizeof(*tids));
    if (!tids)
        return error_no_memory();
    for (size_t i = 0; i < report->thread_count; i++)
        tids[i] = report->threads[i].thread->tid;
    struct error *error =
        python_threads_read(report->python, memory, tids, report->thread_count, &threads);
    for (size_t i = 0; !error && i < threads->count; i++) {
        const struct python_thread *thread = &threads->items[i];
        if (i && thread->interpreter == threads->items[i - 1].interpreter)
            continue;
        struct python_gil gil = python_gil_holder(report->python, memory, threads, thread);
        error = add_gil(search, &gil);
    }
    python_threads_destroy(threads);
    return error;
}

static const struct search_gil *awaited_at(const struct search *search, uint64_t futex)
{
    for (size_t i = 0; i < search->gil_count; i++) {
        if (python_gil_is_awaited_at(&search->gils[i].gil, futex))
            return &search->gils[i];
    }
    return NULL;
}

/*
 * How long it is looked whether threads wait for a lock that another one holds, all together, us:
 * one may be awake to look itself, for some 10 us in 5 ms, or wait for a processor to do so.
 */
#define LOOKS_US 200000

/* By what the call that a thread is in now has as its first argument (proc(5), task/TID/syscall).
   False: it does not, or is gone, or there is no more time. */
static bool is_seen_waiting(const struct search *search, pid_t tid, const struct python_gil *gil)
{
    static const struct timespec moment = {.tv_nsec = 100000};
    for (;;) {
        uint64_t futex;
        CLEANUP_FREE char *text = NULL;
        if (process_read_file(search->report->process, tid, "syscall", &text) <= 0)
            return false;
        if (sscanf(text, "%*d %" SCNx64, &futex) == 1 && python_gil_is_awaited_at(gil, futex))
            return true;
        if (deadline_passed(search->gils_until))
            return false;
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
    }
}

/* False: it is not seen to wait for this one. */
static bool read_owner(const struct search *search, const struct search_gil *gil, size_t index)
{
    struct wait *wait = &search->waits->waits[index];
    if (gil->holder == NO_THREAD ||
        !is_seen_waiting(search, search->report->threads[index].thread->tid, &gil->gil))
        return false;
    wait->kind = WAIT_GIL;
    wait->address = gil->gil.address;
    wait_set_thread(search, gil->holder, &wait->owner);
    return true;
}

/* A thread that ran in the snapshot may just have been awake to look. */
static void read_wait(const struct search *search, size_t index)
{
    const struct thread_snapshot *thread = search->report->threads[index].thread;
    struct wait *wait = &search->waits->waits[index];
    for (size_t i = 0; i < search->gil_count && !thread->in_syscall; i++) {
        if (read_owner(search, &search->gils[i], index))
            return;
    }
    const struct search_gil *gil =
        thread->in_syscall ? awaited_at(search, thread->syscall_arguments[0]) : NULL;
    if (!gil || read_owner(search, gil, index))
        return;
    wait->kind = WAIT_GIL;
    wait->address = gil->gil.address;
}

struct error *wait_read_gils(struct search *search)
{
    const struct report *report = search->report;
    if (!report->python || report->python->problem[0])
        return NULL;
    struct python_live *live = python_live_create(report->process);
    if (!live)
        return error_no_memory();
    const struct python_memory memory = python_live_memory(live);
    struct error *error = list_gils(search, &memory);
    python_live_destroy(live);
    search->gils_until = deadline_after_us(LOOKS_US);
    for (size_t i = 0; i < report->thread_count && !error; i++)
        read_wait(search, i);
    return error;
}

bool wait_is_in_gil(const struct search *search, uint64_t address)
{
    for (size_t i = 0; i < search->gil_count; i++) {
        if (python_gil_contains(&search->gils[i].gil, address))
            return true;
    }
    return false;
}

size_t wait_gil_holder(const struct search *search, const struct wait *wait)
{
    for (size_t i = 0; i < search->gil_count; i++) {
        if (search->gils[i].gil.address == wait->address)
            return search->gils[i].holder;
    }
    return NO_THREAD;
}

/* By the innermost frame outside the C library: Python/thread_pthread.h, PyThread_acquire_lock and
   PyThread_acquire_lock_timed, which are exported. */
bool wait_is_for_python_lock(const struct search *search, const struct report_thread *thread)
{
    const struct python *python = search->report->python;
    for (size_t i = 0; python && i < thread->frame_count; i++) {
        const struct report_frame *frame = &thread->frames[i];
        uint64_t pc = frame->frame.pc;
        if (frame->frame.how == FRAME_SCAN)
            return false;
        if (frame->python || frame->location.inlined || pc < python->code_low ||
            pc >= python->code_high)
            continue;
        struct symbol symbol;
        return frame->location.module &&
               module_symbol(frame->location.module, frame_lookup_pc(&frame->frame), &symbol) &&
               !strncmp(symbol.name, "PyThread_acquire_lock", strlen("PyThread_acquire_lock"));
    }
    return false;
}
