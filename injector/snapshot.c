#include "injector/snapshot.h"

#include "injector/burst.h"
#include "injector/cleanup.h"
#include "injector/look.h"
#include "injector/recording.h"
#include "injector/snapshot_code.h"
#include "injector/snapshot_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_MAX_PAUSE_US 50000
#define DEFAULT_STACK_LIMIT (64 * 1024)

/* Up to this many threads of a burst may have this many times deeper stacks. */
#define FEW_THREADS 16
#define FEW_THREADS_FACTOR 4

/* Stacks of one burst together, at most; then each gets less. */
#define STACK_SPACE_MAX (256u * 1024 * 1024)

/* How often a thread that moved is looked at again before it is stopped. */
#define LOOKS 3

/* One thread while the snapshot is being taken. */
struct work {
    struct look look;
    /* Where it stands in the look before, while it sleeps on since then. */
    const struct thread_snapshot *before;
    bool settled; /* its part of the snapshot is final */
    bool gone;
    bool moved; /* ran during the last look: its stack is not to be trusted */
    bool burst; /* a burst was tried */
    int errnum; /* of the PTRACE_SEIZE that failed */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t stack_limit_of(const struct snapshot_options *options)
{
    return options->stack_limit ? options->stack_limit : DEFAULT_STACK_LIMIT;
}

static void set_problem(struct thread_snapshot *thread, enum thread_how how, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

static void set_problem(struct thread_snapshot *thread, enum thread_how how, const char *format,
                        ...)
{
    va_list arguments;
    free(thread->problem);
    va_start(arguments, format);
    if (vasprintf(&thread->problem, format, arguments) < 0)
        thread->problem = NULL; /* without memory the reason is missing, not the fact */
    va_end(arguments);
    thread->how = how;
}

static void clear_copy(struct thread_snapshot *thread)
{
    free(thread->stack.bytes);
    free(thread->problem);
    thread->stack = (struct memory_slice){0};
    thread->problem = NULL;
    thread->registers = (struct registers){0};
    thread->in_syscall = false;
    thread->syscall_number = 0;
    memset(thread->syscall_arguments, 0, sizeof(thread->syscall_arguments));
}

/* --- Which bytes a stack is. --- */

/* [sp - red zone, end of the mapping or the limit); size 0 when sp is in no mapping. */
static struct memory_slice stack_range(const struct maps *maps, uint64_t sp, size_t limit)
{
    struct memory_slice range = {0};
    const struct mapping *mapping = maps_find(maps, sp);
    if (!mapping)
        return range;
    range.start = sp - mapping->start < arch_red_zone ? mapping->start : sp - arch_red_zone;
    range.size = smaller(mapping->end - range.start, limit);
    return range;
}

/* A thread born after the maps were read has its stack in none of them: read them once more. */
static struct error *refresh_maps(struct snapshot *snapshot, const struct work *work)
{
    bool missing = false;
    for (size_t i = 0; i < snapshot->thread_count && !missing; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[i];
        missing = !work[i].settled && !work[i].gone &&
                  register_known(&thread->registers, arch_sp) &&
                  !maps_find(snapshot->maps, thread->registers.value[arch_sp]);
    }
    if (!missing)
        return NULL;
    struct maps *maps;
    struct error *error = maps_read(snapshot->process, &maps);
    if (error)
        return error;
    maps_destroy(snapshot->maps);
    snapshot->maps = maps;
    return NULL;
}

/* The threads that may have slept on since the look before. */
static void find_before(const struct snapshot *snapshot, const struct snapshot_options *options,
                        struct work *work)
{
    for (size_t i = 0, at = 0; i < snapshot->thread_count; i++)
        work[i].before = snapshot_sleeper_before(options, snapshot->threads[i].tid, &at);
}

/* --- The look that stops nothing: [A] looks, stacks, [B] looks. --- */

static void describe(struct thread_snapshot *thread, const struct look *look)
{
    thread->state = look->state;
    thread->start_time = look->start_time;
    memcpy(thread->name, look->name, sizeof(thread->name));
}

/* True when the look before has all there is to see of a thread. */
static bool is_known(const struct snapshot *before, struct work *work,
                     struct thread_snapshot *thread)
{
    if (!work->before)
        return false;
    if (!snapshot_slept_on(before, work->before)) {
        work->before = NULL;
        return false;
    }
    snapshot_take_over(work->before, thread);
    work->look = before->pages->looks[work->before - before->threads];
    return true;
}

/* One that woke after all. */
static void forget(struct work *work, struct thread_snapshot *thread)
{
    if (work->before)
        *thread = (struct thread_snapshot){.tid = thread->tid};
    work->before = NULL;
}

static void look_at(struct snapshot *snapshot, struct work *work, struct thread_snapshot *thread)
{
    struct look *look = &work->look;
    clear_copy(thread);
    if (!look_at_thread(snapshot->process, thread->tid, look)) {
        work->gone = true;
        return;
    }
    /* It may just have been on its way to sleep. */
    if (!look->asleep && look->call[0])
        work->gone = !look_at_thread(snapshot->process, thread->tid, look);
    thread->runs = look->runs;
    if (look->asleep)
        look->asleep = look_registers(look, thread);
    if (!thread->state) {
        describe(thread, look);
        if (!thread->in_syscall || look->state == 'D')
            look_wait_channel(snapshot->process, thread->tid, thread->wait_channel,
                              sizeof(thread->wait_channel));
    }
}

/*
 * [A] for the threads that are not settled. Those that sleep since the look before come last: the
 * one question to each is [A] and [B] at once, as long as nothing is looked at after it. Returns
 * true when something was: a thread that has run since then.
 */
static bool look_at_all(struct snapshot *snapshot, const struct snapshot *before, struct work *work)
{
    bool any_woke = false;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (!work[i].settled && !work[i].gone && !work[i].before)
            look_at(snapshot, &work[i], &snapshot->threads[i]);
    }
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (!work[i].before || work[i].settled || is_known(before, &work[i], &snapshot->threads[i]))
            continue;
        look_at(snapshot, &work[i], &snapshot->threads[i]);
        any_woke = true;
    }
    return any_woke;
}

/* Threads that have no stack in the program, and dead ones. */
static void settle_hopeless(struct snapshot *snapshot, struct work *work)
{
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct thread_snapshot *thread = &snapshot->threads[i];
        if (work[i].settled || work[i].gone)
            continue;
        if (work[i].look.worker) {
            set_problem(thread, THREAD_UNREADABLE,
                        "a worker of the kernel: it has no stack in the program");
            work[i].settled = true;
        } else if (work[i].look.state == 'Z' && thread->tid == snapshot->process->pid) {
            set_problem(thread, THREAD_UNREADABLE,
                        "it has ended; the process lives on in its other threads");
            work[i].settled = true;
        } else if (work[i].look.state == 'Z') {
            work[i].gone = true;
        }
    }
}

static struct error *copy_sleeping_stacks(struct snapshot *snapshot, struct work *work,
                                          size_t limit)
{
    size_t used = 0;
    CLEANUP_FREE struct remote_range *ranges = calloc(snapshot->thread_count, sizeof(*ranges));
    CLEANUP_FREE size_t *owners = calloc(snapshot->thread_count, sizeof(*owners));
    if (!ranges || !owners)
        return error_no_memory();
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct thread_snapshot *thread = &snapshot->threads[i];
        if (work[i].settled || work[i].gone || !work[i].look.asleep || thread->slept_on)
            continue;
        struct memory_slice range =
            stack_range(snapshot->maps, thread->registers.value[arch_sp], limit);
        if (!range.size)
            continue;
        range.bytes = malloc(range.size);
        if (!range.bytes)
            return error_no_memory();
        thread->stack = range;
        ranges[used] = (struct remote_range){range.start, range.bytes, range.size, 0};
        owners[used++] = i;
    }
    remote_peek_ranges(snapshot->process, ranges, used);
    for (size_t j = 0; j < used; j++)
        snapshot->threads[owners[j]].stack.size = ranges[j].got;
    return NULL;
}

/* [B]. Returns how many threads are still open. `asked_last`: see look_at_all. */
static size_t verify_sleep(struct snapshot *snapshot, const struct snapshot *before,
                           struct work *work, bool asked_last)
{
    size_t open = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (work[i].settled || work[i].gone)
            continue;
        if (work[i].before ? asked_last || snapshot_slept_on(before, work[i].before)
                           : look_proves_sleep(snapshot->process, &work[i].look)) {
            snapshot->threads[i].how = THREAD_BLOCKED;
            snapshot->pages->looks[i] = work[i].look;
            work[i].settled = true;
        } else {
            forget(&work[i], &snapshot->threads[i]);
            work[i].moved = true;
            open++;
        }
    }
    return open;
}

/* --- The burst. --- */

/* Takes over what the burst found of a stopped thread. */
static struct error *take_stopped(struct thread_snapshot *thread, const struct burst *burst,
                                  const struct burst_thread *from)
{
    uint8_t *bytes = malloc(from->stack_size ? from->stack_size : 1);
    if (!bytes)
        return error_no_memory();
    memcpy(bytes, burst->stacks + from->stack_offset, from->stack_size);
    clear_copy(thread);
    thread->stack = (struct memory_slice){from->stack_start, from->stack_size, bytes};
    if (!arch_regset_is_native(&from->regset)) {
        set_problem(thread, THREAD_UNREADABLE, "it runs 32-bit code");
        return NULL;
    }
    thread->syscall_number = arch_regset_syscall(&from->regset, thread->syscall_arguments);
    thread->in_syscall = thread->syscall_number >= 0;
    arch_regset_to_registers(&from->regset, &thread->registers);
    if (from->copied)
        thread->how = THREAD_FROZEN;
    else
        set_problem(thread, THREAD_RACY,
                    "the pause ended before its stack was copied: frames may be wrong");
    return NULL;
}

static struct error *add_thread(struct snapshot *snapshot, struct work **work, pid_t tid)
{
    size_t count = snapshot->thread_count + 1;
    struct thread_snapshot *threads = reallocarray(snapshot->threads, count, sizeof(*threads));
    if (threads)
        snapshot->threads = threads;
    struct work *works = reallocarray(*work, count, sizeof(*works));
    if (works)
        *work = works;
    struct look *looks = reallocarray(snapshot->pages->looks, count, sizeof(*looks));
    if (looks)
        snapshot->pages->looks = looks;
    if (!threads || !works || !looks)
        return error_no_memory();
    threads[count - 1] = (struct thread_snapshot){.tid = tid};
    works[count - 1] = (struct work){.burst = true};
    looks[count - 1] = (struct look){0};
    snapshot->thread_count = count;
    return NULL;
}

static bool is_listed(const struct snapshot *snapshot, pid_t tid)
{
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (snapshot->threads[i].tid == tid)
            return true;
    return false;
}

/* Name and state of a thread that was born during the burst. */
static void describe_newborn(struct snapshot *snapshot, struct thread_snapshot *thread)
{
    struct look look;
    thread->state = '?';
    if (!look_at_thread(snapshot->process, thread->tid, &look))
        return;
    describe(thread, &look);
    thread->runs = look.runs;
}

/*
 * The bytes that the burst may need: for a thread whose stack pointer is known somewhat more than
 * it has, the limit for the others.
 */
static size_t estimate_stack_space(const struct snapshot *snapshot, const size_t *indices,
                                   size_t count, size_t limit)
{
    size_t space = 0;
    for (size_t j = 0; j < count; j++) {
        const struct thread_snapshot *thread = &snapshot->threads[indices[j]];
        size_t size = limit;
        if (register_known(&thread->registers, arch_sp)) {
            struct memory_slice range =
                stack_range(snapshot->maps, thread->registers.value[arch_sp], limit);
            size = smaller(limit, range.size + 16 * 1024);
        }
        space += size;
    }
    return smaller(space, STACK_SPACE_MAX);
}

static struct error *run_burst(struct snapshot *snapshot, const struct snapshot_options *options,
                               const size_t *indices, size_t count, bool whole_process,
                               struct burst *ret)
{
    CLEANUP_FREE pid_t *tids = calloc(count, sizeof(*tids));
    CLEANUP_FREE bool *urgent = calloc(count, sizeof(*urgent));
    if (!tids || !urgent)
        return error_no_memory();
    for (size_t j = 0; j < count; j++) {
        const struct thread_snapshot *thread = &snapshot->threads[indices[j]];
        tids[j] = thread->tid;
        urgent[j] = !thread->registers.known; /* of which nothing else can be had */
    }
    size_t limit = stack_limit_of(options);
    if (count <= FEW_THREADS)
        limit *= FEW_THREADS_FACTOR;
    struct burst_request request = {
        .tids = tids,
        .urgent = urgent,
        .count = count,
        .whole_process = whole_process,
        .maps = snapshot->maps,
        .stack_limit = limit,
        .stack_space = estimate_stack_space(snapshot, indices, count, limit),
        .max_pause_us = options->max_pause_us ? options->max_pause_us : DEFAULT_MAX_PAUSE_US,
        .copy_more = options->copy_more,
        .prepare_copy = options->prepare_copy,
        .copy_context = options->copy_context,
    };
    struct error *error = burst_run(snapshot->process, &request, ret);
    if (error)
        return error;
    snapshot->pause_us += ret->pause_us;
    snapshot->pause_cut |= ret->cut;
    for (size_t j = 0; j < ret->count; j++) {
        const struct burst_thread *thread = &ret->threads[j];
        bool stopped = thread->outcome == BURST_STOPPED || thread->outcome == BURST_CUT;
        if (!stopped || thread->group_stopped)
            continue;
        /* Those behind are newborn, and not of the snapshot yet. */
        bool *before = j < count ? &snapshot->threads[indices[j]].paused : &(bool){false};
        snapshot->threads_paused += !*before;
        *before = true;
    }
    return NULL;
}

/* The open threads that want a burst: those that run, or all. */
static size_t choose_for_burst(const struct snapshot *snapshot, const struct work *work, bool all,
                               bool moved, size_t *indices)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        if (!work[i].settled && !work[i].gone && !work[i].burst &&
            (all || !work[i].look.asleep || (moved && work[i].moved)))
            indices[count++] = i;
    return count;
}

static struct error *freeze(struct snapshot *snapshot, const struct snapshot_options *options,
                            struct work **work, bool all, bool moved)
{
    CLEANUP_FREE size_t *indices = calloc(snapshot->thread_count, sizeof(*indices));
    if (!indices)
        return error_no_memory();
    size_t count = choose_for_burst(snapshot, *work, all, moved, indices);
    if (!count)
        return NULL;

    struct burst burst = {0};
    struct error *error = run_burst(snapshot, options, indices, count, all, &burst);
    for (size_t j = 0; !error && j < burst.count; j++) {
        const struct burst_thread *from = &burst.threads[j];
        if (j >= count && (from->outcome != BURST_STOPPED || is_listed(snapshot, from->tid)))
            continue;
        size_t i = j < count ? indices[j] : snapshot->thread_count;
        if (j >= count) {
            error = add_thread(snapshot, work, from->tid);
            if (error)
                break;
            describe_newborn(snapshot, &snapshot->threads[i]);
        }
        struct work *one = &(*work)[i];
        one->burst = true;
        one->errnum = from->errnum;
        one->gone = from->outcome == BURST_GONE;
        /* One that sleeps and was not copied in time is better off with another look. */
        if (from->outcome == BURST_STOPPED && (from->copied || !one->look.asleep)) {
            error = take_stopped(&snapshot->threads[i], &burst, from);
            one->settled = true;
        }
    }
    burst_deinit(&burst);
    return error;
}

/* --- The snapshot. --- */

/* Why a thread could not be stopped, for people. */
static void describe_refusal(const struct snapshot *snapshot, const struct work *work, char *buffer,
                             size_t size)
{
    char tracer[32], path[64];
    if (!work->errnum) {
        snprintf(buffer, size, "it did not stop in time");
    } else if (process_status_field(snapshot->process, work->look.tid, "TracerPid", tracer,
                                    sizeof(tracer)) &&
               atoi(tracer)) {
        CLEANUP_FREE char *comm = NULL;
        snprintf(path, sizeof(path), "%d/comm", atoi(tracer));
        process_read_system_file(snapshot->process, path, &comm);
        snprintf(buffer, size, "process %s (%.*s) traces it already", tracer,
                 (int)(comm ? strcspn(comm, "\n") : 1), comm ? comm : "?");
    } else {
        snprintf(buffer, size, "it could not be stopped: %s", strerror(work->errnum));
    }
}

/* What never held still, and could not be stopped either. */
static void settle_rest(struct snapshot *snapshot, struct work *work)
{
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct thread_snapshot *thread = &snapshot->threads[i];
        if (work[i].settled || work[i].gone)
            continue;
        char reason[160];
        describe_refusal(snapshot, &work[i], reason, sizeof(reason));
        if (thread->registers.known)
            set_problem(thread, THREAD_RACY, "it ran while it was copied, and %s", reason);
        else
            set_problem(thread, THREAD_UNREADABLE, "it is running, and %s", reason);
        work[i].settled = true;
    }
}

static void remove_gone(struct snapshot *snapshot, const struct work *work)
{
    size_t kept = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (work[i].gone) {
            clear_copy(&snapshot->threads[i]);
            continue;
        }
        snapshot->threads[kept] = snapshot->threads[i];
        snapshot->pages->looks[kept++] = snapshot->pages->looks[i];
    }
    snapshot->thread_count = kept;
}

/* Threads born during a burst stand at the end, out of order when the numbers wrapped. */
static void sort_newborn(struct snapshot *snapshot)
{
    for (size_t i = 1; i < snapshot->thread_count; i++)
        for (size_t j = i; j && snapshot->threads[j].tid < snapshot->threads[j - 1].tid; j--) {
            struct thread_snapshot thread = snapshot->threads[j];
            struct look look = snapshot->pages->looks[j];
            snapshot->threads[j] = snapshot->threads[j - 1];
            snapshot->pages->looks[j] = snapshot->pages->looks[j - 1];
            snapshot->threads[j - 1] = thread;
            snapshot->pages->looks[j - 1] = look;
        }
}

static struct error *take(struct snapshot *snapshot, const struct snapshot_options *options,
                          struct work **work)
{
    static const struct timespec moment = {.tv_nsec = 200 * 1000};
    struct error *error;
    size_t limit = stack_limit_of(options);
    for (unsigned round = 0; round < LOOKS; round++) {
        bool any_woke = look_at_all(snapshot, options->before, *work);
        settle_hopeless(snapshot, *work);
        error = refresh_maps(snapshot, *work);
        if (!error)
            error = freeze(snapshot, options, work, options->freeze, false);
        if (!error)
            error = copy_sleeping_stacks(snapshot, *work, limit);
        if (error)
            return error;
        bool asked_last = !any_woke && !snapshot->threads_paused;
        if (!verify_sleep(snapshot, options->before, *work, asked_last))
            return NULL;
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
    }
    error = freeze(snapshot, options, work, options->freeze, true);
    if (!error)
        settle_rest(snapshot, *work);
    return error;
}

static struct error *create(struct process *process, struct snapshot **ret)
{
    CLEANUP_SNAPSHOT struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return error_no_memory();
    snapshot->process = process;
    clock_gettime(CLOCK_REALTIME, &snapshot->time);
    snapshot->pages = calloc(1, sizeof(*snapshot->pages));
    if (!snapshot->pages)
        return error_no_memory();
    snapshot->pages->table = page_table_create();
    if (!snapshot->pages->table)
        return error_no_memory();
    *ret = snapshot;
    snapshot = NULL;
    return NULL;
}

static struct error *list_threads(struct snapshot *snapshot)
{
    CLEANUP_FREE pid_t *tids = NULL;
    size_t count;
    struct error *error = process_threads(snapshot->process, &tids, &count);
    if (error)
        return error;
    snapshot->threads = calloc(count, sizeof(*snapshot->threads));
    snapshot->pages->looks = calloc(count, sizeof(*snapshot->pages->looks));
    if (!snapshot->threads || !snapshot->pages->looks)
        return error_no_memory();
    for (size_t i = 0; i < count; i++)
        snapshot->threads[i].tid = tids[i];
    snapshot->thread_count = count;
    return NULL;
}

/* The one that a saved target comes with. */
static struct error *recall(struct process *process, struct snapshot **ret)
{
    const struct question question = {.kind = QUESTION_SNAPSHOT};
    struct answer answer;
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct error *error = create(process, &snapshot);
    if (error)
        return error;
    if (!recording_last(process->recording, &question, &answer))
        return error_create(ERROR_PARTIAL, 0, "the file holds no snapshot");
    struct byte_reader reader = {.at = answer.bytes, .left = answer.size};
    error = snapshot_decode(&reader, snapshot);
    if (error)
        return error;
    *ret = snapshot;
    snapshot = NULL;
    return NULL;
}

struct error *snapshot_take(struct process *process, const struct snapshot_options *options,
                            struct snapshot **ret)
{
    if (!process->is_64bit)
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) is a 32-bit program: this manhole-attach looks only "
                            "into %s ones",
                            process->pid, process->name, arch_name);
    if (process->saved)
        return recall(process, ret);
    struct error *error = process_check_access(process);
    if (error)
        return error;
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    error = create(process, &snapshot);
    if (!error && options->maps)
        snapshot->maps = maps_share(options->maps);
    else if (!error)
        error = maps_read(process, &snapshot->maps);
    if (!error)
        error = list_threads(snapshot);
    if (error)
        return error;

    CLEANUP_FREE struct work *work = calloc(snapshot->thread_count, sizeof(*work));
    if (!work)
        return error_no_memory();
    if (snapshot_follows(snapshot, options->before))
        find_before(snapshot, options, work);
    error = take(snapshot, options, &work);
    if (error)
        return error;
    remove_gone(snapshot, work);
    sort_newborn(snapshot);
    if (!snapshot->thread_count)
        return error_create(ERROR_NO_PROCESS, ESRCH, "process %d (%s) has ended", process->pid,
                            process->name);
    if (options->again)
        error = snapshot_prepare_next(snapshot, options->before);
    if (error)
        return error;
    /* What was read so far is in the snapshot. */
    if (process->recording)
        recording_clear(process->recording);
    *ret = snapshot;
    snapshot = NULL;
    return NULL;
}

void snapshot_destroy(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->thread_count; i++)
        clear_copy(&snapshot->threads[i]);
    free(snapshot->threads);
    if (!snapshot->pages || !snapshot->pages->borrowed_maps)
        maps_destroy(snapshot->maps);
    if (snapshot->pages) {
        page_table_destroy(snapshot->pages->table);
        free(snapshot->pages->looks);
        sleepers_destroy(snapshot->pages->sleepers);
        free(snapshot->pages);
    }
    free(snapshot);
}

void snapshot_cleanup(struct snapshot **snapshot)
{
    snapshot_destroy(*snapshot);
}

struct error *snapshot_pause_threads(struct snapshot *snapshot,
                                     const struct snapshot_options *options, const size_t *indices,
                                     size_t count)
{
    if (!count || snapshot->process->saved)
        return NULL;
    struct burst burst = {0};
    struct error *error = run_burst(snapshot, options, indices, count, false, &burst);
    if (error)
        return error;
    /* Pages read before are older than the new registers. */
    struct page_table *table = page_table_create();
    if (table) {
        page_table_destroy(snapshot->pages->table);
        snapshot->pages->table = table;
    } else {
        error = error_no_memory();
    }
    /* A thread that could not be stopped, or has ended, keeps what is known of it. */
    for (size_t j = 0; !error && j < count; j++)
        if (burst.threads[j].outcome == BURST_STOPPED && burst.threads[j].copied)
            error = take_stopped(&snapshot->threads[indices[j]], &burst, &burst.threads[j]);
    burst_deinit(&burst);
    return error;
}

struct error *snapshot_of_thread(struct process *process, struct maps *maps,
                                 const struct thread_snapshot *known, size_t stack_limit,
                                 struct snapshot **ret)
{
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct error *error = create(process, &snapshot);
    if (error)
        return error;
    snapshot->maps = maps;
    snapshot->pages->borrowed_maps = snapshot->pages->held = true;
    snapshot->threads = calloc(1, sizeof(*snapshot->threads));
    if (!snapshot->threads)
        return error_no_memory();
    snapshot->thread_count = 1;

    struct thread_snapshot *thread = snapshot->threads;
    *thread = *known;
    thread->stack = stack_range(maps, thread->registers.value[arch_sp],
                                stack_limit ? stack_limit : DEFAULT_STACK_LIMIT);
    if (thread->stack.size) {
        thread->stack.bytes = malloc(thread->stack.size);
        if (!thread->stack.bytes)
            return error_no_memory();
        thread->stack.size =
            remote_peek(process, thread->stack.start, thread->stack.bytes, thread->stack.size);
    }
    *ret = snapshot;
    snapshot = NULL;
    return NULL;
}

struct error *snapshot_of_stopped_thread(struct process *process, struct maps *maps, pid_t tid,
                                         const struct arch_regset *regset, size_t stack_limit,
                                         struct snapshot **ret)
{
    struct thread_snapshot known = {.tid = tid, .state = 't', .how = THREAD_FROZEN};
    known.syscall_number = arch_regset_syscall(regset, known.syscall_arguments);
    known.in_syscall = known.syscall_number >= 0;
    arch_regset_to_registers(regset, &known.registers);
    return snapshot_of_thread(process, maps, &known, stack_limit, ret);
}

/* --- Reading. --- */

/*
 * May this page, read after the copy, be newer than what the thread saw? Not if it is never
 * written, nor while the thread is held, nor if it has slept on to this moment.
 */
static bool may_be_newer(struct snapshot *snapshot, const struct thread_snapshot *thread,
                         const struct page *page)
{
    if (snapshot->pages->held)
        return false;
    const struct mapping *mapping = maps_find(snapshot->maps, page->address);
    if (mapping && !mapping->writable)
        return false;
    return thread->how != THREAD_BLOCKED ||
           !look_proves_sleep(snapshot->process,
                              &snapshot->pages->looks[thread - snapshot->threads]);
}

/* Copies from one page. Returns how many bytes of it there were from the address on. */
static size_t read_from_page(struct snapshot *snapshot, const struct thread_snapshot *thread,
                             uint64_t address, void *buffer, size_t size, bool *live)
{
    size_t offset = address % PAGE_CACHE_BYTES;
    /* Of a saved target no whole pages are there; unwind_thread knows whether it had slept on. */
    if (snapshot->process->saved)
        return remote_peek(snapshot->process, address, buffer,
                           smaller(size, PAGE_CACHE_BYTES - offset));
    struct page *page = page_table_get(snapshot->pages->table, snapshot->process, address);
    if (!page || page->size <= offset)
        return 0;
    if (page->fresh || page->reader != thread->tid) {
        page->live = may_be_newer(snapshot, thread, page);
        page->reader = thread->tid;
    }
    if (live && page->live)
        *live = true;
    size = smaller(size, page->size - offset);
    memcpy(buffer, page->bytes + offset, size);
    return size;
}

size_t snapshot_read(struct snapshot *snapshot, const struct thread_snapshot *thread,
                     uint64_t address, void *buffer, size_t size, bool *live)
{
    const struct memory_slice *stack = &thread->stack;
    size_t done = 0;
    while (done < size) {
        uint64_t at = address + done;
        size_t left = size - done, got;
        if (at >= stack->start && at - stack->start < stack->size) {
            got = smaller(left, stack->size - (at - stack->start));
            memcpy((char *)buffer + done, stack->bytes + (at - stack->start), got);
        } else {
            /* Up to where the slice begins, if that comes first. */
            if (at < stack->start)
                left = smaller(left, stack->start - at);
            got = read_from_page(snapshot, thread, at, (char *)buffer + done, left, live);
        }
        if (!got)
            break;
        done += got;
    }
    return done;
}
