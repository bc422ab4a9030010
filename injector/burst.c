#include "injector/burst.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "injector/helper.h"
#include "injector/look.h"
#include "injector/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Room for threads born during the burst, beyond a quarter of those known before. */
#define EXTRA_THREADS 64

/* What may be on a stack where no mapping was known yet. */
#define UNKNOWN_STACK_BYTES (16 * 1024)

/* Releasing one by one tells exactly when the last went; beyond this many, to exit is faster. */
#define EXPLICIT_RELEASES 64

/* How long to wait for the helper to seize threads: they run meanwhile, and a busy machine may let
   it begin late. */
#define SEIZE_TIMEOUT_US 10000000

/*
 * How long the helper waits, after all others were released, for threads that did not stop: those
 * that sleep uninterruptibly may do so for hours, the others only wait for a processor.
 */
#define DRAIN_US 20000
#define DRAIN_RUNNABLE_US 2000000

/*
 * How long the helper may overrun max_pause_us before we kill it: what it may wait for is memory of
 * the target that does not come. As long as a thread has been interrupted that did not stop yet,
 * only a busy machine keeps the helper, to which our signal would come no sooner; and its death
 * would cost that thread the EINTR repair.
 */
#define KILL_SLACK_US 10000
#define UNREPAIRED_SLACK_US 2000000

/* How often to see whether all stand: they do so for as long. */
#define HELD_POLL_US 50

/* Shared with the helper; made and touched before anything is stopped. */
struct shared {
    _Atomic uint64_t first_interrupt_us; /* 0: none yet */
    _Atomic uint64_t last_release_us;    /* 0: the helper's exit is the release */
    _Atomic bool cut;
    _Atomic bool
        repaired; /* every thread that was interrupted has stopped, and has its EINTR repair */
    _Atomic bool standing; /* all of them, for request->held */
    _Atomic bool done;     /* that has returned */
    _Atomic bool held;     /* before the threads were let go */
    size_t count, capacity;
    size_t stacks_used, stacks_capacity;
    uint8_t *stacks;
    struct burst_thread threads[];
};

/* --- Inside the helper: no allocation, no output, nothing that waits without a deadline. --- */

static bool is_thread_of(const struct process *process, pid_t tid)
{
    char path[16];
    struct stat status;
    snprintf(path, sizeof(path), "%d", tid);
    return !fstatat(process->task_fd, path, &status, 0);
}

/* As if all deadlines had passed when nobody waits for the result any more. */
static bool time_is_up(deadline_t deadline)
{
    return helper_is_orphan() || deadline_passed(deadline);
}

static void seize(const struct process *process, struct burst_thread *thread)
{
    if (ptrace(PTRACE_SEIZE, thread->tid, NULL, NULL)) {
        thread->errnum = errno;
        thread->outcome = errno == ESRCH ? BURST_GONE : BURST_REFUSED;
    } else if (!is_thread_of(process, thread->tid)) {
        /* The number went to a stranger: never interrupted, and let go by our exit. */
        thread->outcome = BURST_GONE;
    } else {
        thread->outcome = BURST_LATE; /* until it stops */
    }
}

static void interrupt(struct burst_thread *thread)
{
    if (thread->outcome != BURST_LATE)
        return;
    if (ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL))
        thread->outcome = BURST_GONE;
    else
        thread->interrupted = true;
}

/* Returns false when that took so long that the rest has to go without. */
static bool interrupt_some(struct shared *shared, bool urgent, deadline_t deadline)
{
    for (size_t i = 0; i < shared->count; i++) {
        if (shared->threads[i].urgent == urgent)
            interrupt(&shared->threads[i]);
        if (i % 16 == 15 && time_is_up(deadline))
            return false;
    }
    return true;
}

/* True when something happened to the thread. */
static bool wait_for_stop(struct burst_thread *thread)
{
    /* By its id: to wait for any would search all tracees each time. */
    enum tracee_stop_kind kind = tracee_poll(thread->tid, &thread->regset);
    if (kind == TRACEE_RUNNING)
        return false;
    if (kind == TRACEE_GONE)
        thread->outcome = BURST_GONE;
    if (kind != TRACEE_STOPPED && kind != TRACEE_GROUP_STOPPED)
        return true;
    thread->group_stopped = kind == TRACEE_GROUP_STOPPED;
    thread->outcome = thread->regset.size ? BURST_STOPPED : BURST_GONE;
    return true;
}

/* Waits until none is late, or the deadline. Returns false then. */
static bool wait_for_stops(struct shared *shared, size_t first, deadline_t deadline)
{
    static const struct timespec moment = {.tv_nsec = 20 * 1000};
    for (unsigned idle = 0;;) {
        bool late = false, progress = false;
        for (size_t i = first; i < shared->count; i++) {
            struct burst_thread *thread = &shared->threads[i];
            if (thread->outcome == BURST_LATE && wait_for_stop(thread))
                progress = true;
            late |= thread->outcome == BURST_LATE && thread->interrupted;
        }
        if (!late)
            return true;
        if (time_is_up(deadline))
            return false;
        if (progress)
            continue;
        if (idle++ < 5)
            sched_yield();
        else
            nanosleep(&moment, NULL); /* woken early or not, it looks again */
    }
}

static bool is_known(const struct shared *shared, size_t asked, pid_t tid)
{
    size_t low = 0, high = asked; /* these are sorted, the ones born meanwhile are few */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shared->threads[middle].tid == tid)
            return true;
        if (shared->threads[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = asked; i < shared->count; i++)
        if (shared->threads[i].tid == tid)
            return true;
    return false;
}

/* As the kernel lays it out (getdents64 in getdents(2)): readdir would allocate. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static bool is_spared(const struct burst_request *request, pid_t tid)
{
    for (size_t i = 0; i < request->spared_count; i++)
        if (request->spared[i] == tid)
            return true;
    return false;
}

/* Appends the threads that are not known yet, seized and interrupted. */
static void add_newborn(const struct process *process, struct shared *shared,
                        const struct burst_request *request)
{
    static _Alignas(8) char buffer[32 * 1024];
    long got;
    if (lseek(process->task_fd, 0, SEEK_SET))
        return;
    while ((got = syscall(SYS_getdents64, process->task_fd, buffer, sizeof(buffer))) > 0)
        for (long at = 0; at < got;) {
            struct directory_entry *entry = (struct directory_entry *)(buffer + at);
            at += entry->length;
            pid_t tid = (pid_t)atoi(entry->name);
            if (tid <= 0 || is_known(shared, request->count, tid) || is_spared(request, tid) ||
                look_is_worker(process, tid) || shared->count == shared->capacity)
                continue;
            struct burst_thread *thread = &shared->threads[shared->count];
            thread->tid = tid;
            seize(process, thread);
            interrupt(thread);
            shared->count++;
        }
}

/* Which bytes of the stack to copy: from below sp, to the end of its mapping or the limit. */
static struct remote_range plan_copy(struct shared *shared, const struct burst_request *request,
                                     struct burst_thread *thread)
{
    struct registers registers;
    arch_regset_to_registers(&thread->regset, &registers);
    uint64_t sp = registers.value[arch_sp];
    const struct mapping *mapping = maps_find(request->maps, sp);
    uint64_t start = sp - arch_red_zone, end = sp + UNKNOWN_STACK_BYTES;
    if (mapping) {
        end = mapping->end;
        if (start < mapping->start || start > sp)
            start = mapping->start;
    }
    size_t size = end - start, left = shared->stacks_capacity - shared->stacks_used;
    if (size > request->stack_limit)
        size = request->stack_limit;
    if (size > left)
        size = left; /* what is missing is read later, and labelled so */
    thread->stack_start = start;
    thread->stack_offset = shared->stacks_used;
    shared->stacks_used += size;
    return (struct remote_range){start, shared->stacks + thread->stack_offset, size, 0};
}

/* Copies the stacks of stopped threads; without the urgent ones the burst would be for nothing, so
   only the others are left out when the deadline has passed. */
static void copy_stacks(struct process *process, struct shared *shared,
                        const struct burst_request *request, bool urgent, deadline_t deadline)
{
    enum { BATCH = 64 };
    struct remote_range ranges[BATCH];
    struct burst_thread *threads[BATCH];
    for (size_t i = 0; i < shared->count;) {
        size_t batch = 0;
        for (; i < shared->count && batch < BATCH; i++) {
            struct burst_thread *thread = &shared->threads[i];
            if (thread->outcome != BURST_STOPPED || thread->urgent != urgent ||
                !arch_regset_is_native(&thread->regset))
                continue;
            process->live_tid = thread->tid; /* ours alone since fork; this one cannot end */
            ranges[batch] = plan_copy(shared, request, thread);
            threads[batch++] = thread;
        }
        if (!batch)
            return;
        if (!urgent && time_is_up(deadline)) {
            shared->cut = true;
            return;
        }
        remote_peek_ranges(process, ranges, batch);
        for (size_t j = 0; j < batch; j++) {
            threads[j]->stack_size = ranges[j].got;
            threads[j]->copied = true;
        }
    }
}

static void copy_more(struct process *process, const struct shared *shared,
                      const struct burst_request *request, deadline_t deadline)
{
    for (size_t i = 0; request->copy_more && i < shared->count; i++) {
        const struct burst_thread *thread = &shared->threads[i];
        if (!thread->copied || time_is_up(deadline))
            continue;
        process->live_tid = thread->tid; /* as above */
        request->copy_more(request->copy_context, process, thread->tid, deadline);
    }
}

/* Without a signal: no stop that lasts has one (tracee_poll). It fails only for a thread
   that SIGKILL has taken. */
static void detach(const struct burst_thread *thread)
{
    ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
}

/*
 * Threads that are late stop one by one now, each for a moment of its own: to go before would spare
 * them the EINTR repair, and lose a signal that has just stopped one.
 */
static void drain_late(const struct process *process, struct shared *shared)
{
    static const struct timespec moment = {.tv_nsec = 20 * 1000};
    deadline_t deadline = deadline_after_us(DRAIN_US);
    deadline_t runnable_deadline = deadline_after_us(DRAIN_RUNNABLE_US);
    for (;;) {
        bool late = false;
        bool only_runnable = deadline_passed(deadline);
        for (size_t i = 0; i < shared->count; i++) {
            struct burst_thread *thread = &shared->threads[i];
            if (thread->outcome != BURST_LATE)
                continue;
            if (wait_for_stop(thread) && thread->outcome == BURST_STOPPED) {
                detach(thread);
                thread->outcome = BURST_CUT; /* nothing was copied */
            }
            late |= thread->outcome == BURST_LATE && thread->interrupted &&
                    !(only_runnable && look_sleeps_uninterruptibly(process, thread->tid));
        }
        if (!late || deadline_passed(runnable_deadline))
            return;
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
    }
}

/* Lets all go; returns when only this process's exit remains. */
static void release(const struct process *process, struct shared *shared)
{
    size_t stopped = 0, late = 0;
    for (size_t i = 0; i < shared->count; i++) {
        stopped += shared->threads[i].outcome == BURST_STOPPED;
        late += shared->threads[i].outcome == BURST_LATE;
    }
    if (!late && stopped > EXPLICIT_RELEASES)
        return;
    for (size_t i = 0; i < shared->count; i++)
        if (shared->threads[i].outcome == BURST_STOPPED)
            detach(&shared->threads[i]);
    shared->last_release_us = monotonic_us();
    if (late) {
        shared->cut = true;
        drain_late(process, shared);
    }
}

/* Some thread was interrupted and has not stopped yet. */
static bool any_late(const struct shared *shared)
{
    for (size_t i = 0; i < shared->count; i++) {
        if (shared->threads[i].outcome == BURST_LATE && shared->threads[i].interrupted)
            return true;
    }
    return false;
}

/* Not when there may be more than there is room for. */
static bool all_stand(const struct shared *shared)
{
    for (size_t i = 0; i < shared->count; i++) {
        if (shared->threads[i].outcome != BURST_STOPPED && shared->threads[i].outcome != BURST_GONE)
            return false;
    }
    return shared->count < shared->capacity;
}

/* Until the other process has done what they stand for. */
static void hold(struct shared *shared, deadline_t deadline)
{
    static const struct timespec moment = {.tv_nsec = 20 * 1000};
    shared->standing = true;
    while (!shared->done && !time_is_up(deadline))
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
    shared->held = shared->done;
}

_Noreturn static void run_helper(const struct process *target, struct shared *shared,
                                 const struct burst_request *request)
{
    struct process own = *target, *process = &own; /* its live_tid changes with the threads */

    helper_limit_orphan(UNREPAIRED_SLACK_US);
    /* What keeps the pause short; refused to users without privileges, and that is fine. */
    prctl(PR_SET_TIMERSLACK, 1);
    setpriority(PRIO_PROCESS, 0, -20);

    if (request->prepare_copy)
        request->prepare_copy(request->copy_context);
    for (size_t i = 0; i < shared->count && !helper_is_orphan(); i++)
        seize(process, &shared->threads[i]);
    if (helper_is_orphan())
        _exit(1); /* nothing was interrupted; a signal that has stopped a thread goes on */

    uint64_t start = monotonic_us();
    shared->first_interrupt_us = start;
    /* What each part may have used up of the pause when it ends; the rest is to let go. */
    deadline_t interrupt_deadline = start + request->max_pause_us * 40 / 100;
    deadline_t stop_deadline = start + request->max_pause_us * 55 / 100;
    deadline_t copy_deadline = start + request->max_pause_us * 70 / 100;
    bool in_time = interrupt_some(shared, true, interrupt_deadline) &&
                   interrupt_some(shared, false, interrupt_deadline);

    size_t first = 0;
    while (wait_for_stops(shared, first, stop_deadline) && in_time && request->whole_process) {
        first = shared->count;
        add_newborn(process, shared, request);
        if (first == shared->count)
            break;
    }
    shared->repaired = !any_late(shared);
    if (shared->repaired)
        helper_limit_orphan(KILL_SLACK_US);
    if (request->held) {
        if (all_stand(shared))
            hold(shared, start + request->max_pause_us * 90 / 100);
    } else {
        copy_stacks(process, shared, request, true, copy_deadline);
        copy_stacks(process, shared, request, false, copy_deadline);
        copy_more(process, shared, request, copy_deadline);
    }
    release(process, shared);
    _exit(0);
}

/* --- Outside. --- */

static size_t round_to_page(size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

static struct error *create_shared(const struct burst_request *request, struct burst *burst)
{
    size_t capacity = request->count + request->count / 4 + EXTRA_THREADS;
    size_t head = round_to_page(sizeof(struct shared) + capacity * sizeof(struct burst_thread));
    size_t stacks = round_to_page(request->stack_space + EXTRA_THREADS * UNKNOWN_STACK_BYTES);
    /* MAP_POPULATE: no page fault of ours while a thread stands. */
    void *memory = mmap(NULL, head + stacks, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return error_no_memory();

    struct shared *shared = memory;
    shared->capacity = capacity;
    shared->count = request->count;
    shared->stacks = (uint8_t *)memory + head;
    shared->stacks_capacity = stacks;
    for (size_t i = 0; i < request->count; i++) {
        shared->threads[i].tid = request->tids[i];
        shared->threads[i].urgent = request->urgent[i];
    }
    burst->shared = memory;
    burst->shared_size = head + stacks;
    return NULL;
}

/* Waits until the helper has ended; kills it when it overruns. */
static void watch(struct shared *shared, const struct helper *helper,
                  const struct burst_request *request)
{
    deadline_t seize_deadline = deadline_after_us(SEIZE_TIMEOUT_US);
    for (;;) {
        if (shared->standing && !shared->done) {
            request->held(request->context);
            shared->done = true;
        }
        uint64_t start = shared->first_interrupt_us;
        uint64_t slack = shared->repaired ? KILL_SLACK_US : UNREPAIRED_SLACK_US;
        deadline_t deadline = start ? start + request->max_pause_us + slack : seize_deadline;
        if (shared->last_release_us) /* nothing is paused any more, only late ones awaited */
            deadline = shared->last_release_us + DRAIN_RUNNABLE_US + KILL_SLACK_US;
        uint64_t left = deadline_left_us(deadline);
        if (!left) {
            kill(helper->pid, SIGKILL);
            shared->cut = true;
            return;
        }
        if ((!start || !shared->repaired) && left > 1000)
            left = 1000; /* to see what comes next */
        if (request->held && !shared->done && left > HELD_POLL_US)
            left = HELD_POLL_US;
        struct timespec timeout = {.tv_sec = (time_t)(left / 1000000),
                                   .tv_nsec = (long)(left % 1000000) * 1000};
        struct pollfd poll_fd = {.fd = helper->alive_fd, .events = POLLIN};
        if (ppoll(&poll_fd, 1, &timeout, NULL) > 0)
            return;
    }
}

struct error *burst_run(const struct process *process, const struct burst_request *request,
                        struct burst *ret)
{
    *ret = (struct burst){0};
    struct error *error = create_shared(request, ret);
    if (error)
        return error;
    struct shared *shared = ret->shared;
    struct helper helper;
    error = helper_start("no running thread can be looked at", &helper);
    if (error) {
        burst_deinit(ret);
        return error;
    }
    if (helper.pid == 0)
        run_helper(process, shared, request);
    watch(shared, &helper, request);
    helper_end(&helper);
    uint64_t end = monotonic_us(), start = shared->first_interrupt_us;
    if (shared->last_release_us)
        end = shared->last_release_us;

    ret->threads = shared->threads;
    ret->count = shared->count;
    ret->stacks = shared->stacks;
    ret->pause_us = start ? end - start : 0;
    ret->cut = shared->cut;
    ret->held = shared->held;
    return NULL;
}

void burst_deinit(struct burst *burst)
{
    if (burst->shared)
        munmap(burst->shared, burst->shared_size);
    *burst = (struct burst){0};
}
