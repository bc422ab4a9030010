#include "src/samples.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/base_name.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct known_frame {
    struct sample_frame frame;
    char *key;
    UT_hash_handle hh;
};

struct thread_key {
    uint64_t start_time;
    uint64_t tid; /* as wide as the other: no padding, whose bytes would be hashed */
};

struct known_thread {
    struct thread_key key;
    size_t number; /* in samples->threads */
    UT_hash_handle hh;
};

struct samples_index {
    struct known_frame *frames;
    struct known_thread *threads;
};

struct error *samples_create(pid_t pid, struct samples **ret)
{
    struct samples *samples = calloc(1, sizeof(*samples));
    struct samples_index *index = calloc(1, sizeof(*index));
    if (!samples || !index) {
        free(samples);
        free(index);
        return error_no_memory();
    }
    samples->pid = pid;
    samples->index = index;
    *ret = samples;
    return NULL;
}

static void destroy_frame(struct known_frame *known)
{
    free(known->frame.name);
    free(known->frame.module);
    free(known->frame.file);
    free(known->key);
    free(known);
}

static void destroy_index(struct samples_index *index)
{
    struct known_frame *frame, *next_frame;
    HASH_ITER(hh, index->frames, frame, next_frame)
    {
        HASH_DEL(index->frames, frame);
        destroy_frame(frame);
    }
    struct known_thread *thread, *next_thread;
    HASH_ITER(hh, index->threads, thread, next_thread)
    {
        HASH_DEL(index->threads, thread);
        free(thread);
    }
    free(index);
}

void samples_destroy(struct samples *samples)
{
    if (!samples)
        return;
    for (size_t i = 0; i < samples->thread_count; i++) {
        struct sample_thread *thread = &samples->threads[i];
        for (size_t j = 0; j < thread->stack_count; j++)
            free(thread->stacks[j].frames);
        free(thread->stacks);
        free(thread->sequence);
    }
    free(samples->threads);
    free(samples->frames);
    destroy_index(samples->index);
    free(samples->executable);
    free(samples);
}

/* --- Frames. --- */

/* malloc'ed; NULL without memory. */
static char *name_of(const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    char *name = NULL;
    int length;
    if (location->function)
        return strdup(location->function);
    if (location->module)
        length = asprintf(&name, "[%s+0x%" PRIx64 "]", base_name(location->module->path),
                          frame->frame.pc - location->module->bias);
    else
        length = asprintf(&name, "0x%" PRIx64, frame->frame.pc);
    return length < 0 ? NULL : name;
}

static bool is_guess(const struct report_frame *frame)
{
    return frame->frame.how == FRAME_SCAN && !frame->location.inlined;
}

/* What tells frames apart: all that is shown of them. malloc'ed; NULL without memory. */
static char *key_of(const struct report_frame *frame, const char *name)
{
    const struct location *location = &frame->location;
    char *key;
    if (asprintf(&key, "%d%d%s\n%s\n%s", location->inlined, is_guess(frame), name,
                 location->module ? location->module->path : "",
                 location->file ? location->file : "") < 0)
        return NULL;
    return key;
}

static char *copy(const char *text, bool *failed)
{
    char *ret = text ? strdup(text) : NULL;
    *failed |= text && !ret;
    return ret;
}

/* Appends to samples->frames. False without memory. */
static bool list_frame(struct samples *samples, struct sample_frame *frame)
{
    size_t count = samples->frame_count + 1;
    const struct sample_frame **frames = reallocarray(samples->frames, count, sizeof(*frames));
    if (!frames)
        return false;
    samples->frames = frames;
    frame->number = samples->frame_count;
    frames[samples->frame_count++] = frame;
    return true;
}

/* A new frame of the index; takes over key and the strings of `frame`, also when it fails. NULL
   without memory. */
static const struct sample_frame *
add_frame(struct samples *samples, const struct sample_frame *frame, char *key, bool failed)
{
    const struct known_frame none = {.frame = *frame, .key = key};
    struct known_frame *known = malloc(sizeof(*known));
    if (!known) {
        free(frame->name);
        free(frame->module);
        free(frame->file);
        free(key);
        return NULL;
    }
    *known = none;
    if (!failed) {
        HASH_ADD_KEYPTR(hh, samples->index->frames, known->key, strlen(known->key), known);
        if (known->hh.tbl && list_frame(samples, &known->frame))
            return &known->frame;
        if (known->hh.tbl)
            HASH_DEL(samples->index->frames, known);
    }
    destroy_frame(known);
    return NULL;
}

/* NULL without memory. */
static const struct sample_frame *get_frame(struct samples *samples,
                                            const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    char *name = name_of(frame);
    char *key = name ? key_of(frame, name) : NULL;
    if (!key) {
        free(name);
        return NULL;
    }
    struct known_frame *known;
    HASH_FIND_STR(samples->index->frames, key, known);
    if (known) {
        free(name);
        free(key);
        return &known->frame;
    }
    bool failed = false;
    const struct sample_frame new = {
        .name = name,
        .module = copy(location->module ? location->module->path : NULL, &failed),
        .file = copy(location->file, &failed),
        .named = location->function != NULL,
        .inlined = location->inlined,
        .guess = is_guess(frame),
        .jit = location->jit,
    };
    return add_frame(samples, &new, key, failed);
}

/* The frame that stands for a flaw. NULL without memory. */
static const struct sample_frame *get_flaw(struct samples *samples, const char *text)
{
    struct known_frame *known;
    HASH_FIND_STR(samples->index->frames, text, known);
    if (known)
        return &known->frame;
    bool failed = false;
    const struct sample_frame new = {.name = copy(text, &failed), .flaw = true};
    char *key = copy(text, &failed);
    return add_frame(samples, &new, key, failed);
}

/* --- Stacks. --- */

static uint64_t hash_addresses(const struct report_thread *thread)
{
    uint64_t hash = thread->frame_count;
    for (size_t i = 0; i < thread->frame_count; i++) {
        const struct python_frame *python = thread->frames[i].python;
        hash = (hash ^ thread->frames[i].frame.pc) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
        hash = (hash ^ (python ? python->instruction : 0)) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

static const char *flaw_of(const struct report_thread *thread)
{
    if (!thread->frame_count)
        return "[no stack]";
    if (thread->thread->how == THREAD_RACY)
        return "[racy]";
    if (thread->end == UNWIND_LIMIT)
        return "[more frames]";
    return thread->end == UNWIND_COMPLETE ? NULL : "[callers unknown]";
}

static struct sample_stack *find_stack(struct sample_thread *thread,
                                       const struct sample_frame **frames, size_t depth,
                                       const struct sample_frame *flaw)
{
    for (size_t i = 0; i < thread->stack_count; i++) {
        struct sample_stack *stack = &thread->stacks[i];
        if (stack->depth == depth && stack->flaw == flaw &&
            !memcmp(stack->frames, frames, depth * sizeof(*frames)))
            return stack;
    }
    return NULL;
}

/* Takes over `frames`, when it succeeds. NULL without memory. */
static struct sample_stack *add_stack(struct sample_thread *thread,
                                      const struct sample_frame **frames, size_t depth,
                                      const struct sample_frame *flaw)
{
    size_t count = thread->stack_count + 1;
    struct sample_stack *stacks = reallocarray(thread->stacks, count, sizeof(*stacks));
    if (!stacks)
        return NULL;
    thread->stacks = stacks;
    thread->stack_count = count;
    stacks[count - 1] =
        (struct sample_stack){.frames = frames, .depth = depth, .flaw = flaw, .number = count - 1};
    return &stacks[count - 1];
}

static struct error *extend_sequence(struct sample_thread *thread, size_t stack)
{
    if (thread->run_count && thread->sequence[thread->run_count - 1].stack == stack) {
        thread->sequence[thread->run_count - 1].count++;
        return NULL;
    }
    size_t count = thread->run_count + 1;
    struct sample_run *sequence = reallocarray(thread->sequence, count, sizeof(*sequence));
    if (!sequence)
        return error_no_memory();
    sequence[count - 1] = (struct sample_run){.stack = stack, .count = 1};
    thread->sequence = sequence;
    thread->run_count = count;
    return NULL;
}

static struct error *count_stack(struct samples *samples, struct sample_thread *thread,
                                 const struct report_thread *from)
{
    size_t depth = 0;
    CLEANUP_FREE const struct sample_frame **frames =
        calloc(from->frame_count + 1, sizeof(*frames));
    if (!frames)
        return error_no_memory();
    for (size_t i = 0; i < from->frame_count; i++) {
        if (from->frames[i].folded)
            continue;
        frames[depth] = get_frame(samples, &from->frames[i]);
        if (!frames[depth++])
            return error_no_memory();
    }
    const char *text = flaw_of(from);
    const struct sample_frame *flaw = text ? get_flaw(samples, text) : NULL;
    if (text && !flaw)
        return error_no_memory();
    uint64_t addresses = hash_addresses(from);
    struct sample_stack *stack = find_stack(thread, frames, depth, flaw);
    if (!stack) {
        stack = add_stack(thread, frames, depth, flaw);
        if (!stack)
            return error_no_memory();
        frames = NULL;
    } else {
        stack->moved |= stack->addresses != addresses;
    }
    stack->addresses = addresses;
    stack->last = samples->count;
    stack->count++;
    return extend_sequence(thread, stack->number);
}

/* The one of the sample before once more. */
static void count_stack_again(const struct samples *samples, struct sample_thread *thread)
{
    struct sample_run *run = &thread->sequence[thread->run_count - 1];
    struct sample_stack *stack = &thread->stacks[run->stack];
    stack->last = samples->count;
    stack->count++;
    run->count++;
}

/* --- Threads. --- */

static struct known_thread *find_thread(const struct samples *samples, const struct thread_key *key)
{
    struct known_thread *known;
    HASH_FIND(hh, samples->index->threads, key, sizeof(*key), known);
    return known;
}

static struct thread_key thread_key(const struct thread_snapshot *thread)
{
    return (struct thread_key){thread->start_time, (uint64_t)thread->tid};
}

static struct error *get_thread(struct samples *samples, const struct thread_snapshot *thread,
                                struct sample_thread **ret)
{
    const struct thread_key key = thread_key(thread);
    struct known_thread *known = find_thread(samples, &key);
    if (!known) {
        size_t count = samples->thread_count + 1;
        struct sample_thread *threads = reallocarray(samples->threads, count, sizeof(*threads));
        if (threads)
            samples->threads = threads;
        known = threads ? calloc(1, sizeof(*known)) : NULL;
        if (!known)
            return error_no_memory();
        *known = (struct known_thread){.key = key, .number = count - 1};
        HASH_ADD(hh, samples->index->threads, key, sizeof(known->key), known);
        if (!known->hh.tbl) {
            free(known);
            return error_no_memory();
        }
        threads[count - 1] = (struct sample_thread){
            .tid = thread->tid,
            .start_time = thread->start_time,
            .first = samples->count,
            .switches_known = true,
            .runs = thread->runs,
        };
        samples->thread_count = count;
    }
    *ret = &samples->threads[known->number];
    return NULL;
}

static struct error *count_thread(struct samples *samples, const struct report_thread *from)
{
    const struct thread_snapshot *now = from->thread;
    struct sample_thread *thread;
    struct error *error = get_thread(samples, now, &thread);
    if (error)
        return error;
    bool same_stack = from->kept && thread->seen && thread->last == samples->count - 1;
    memcpy(thread->name, now->name, sizeof(thread->name));
    thread->seen++;
    thread->last = samples->count;
    if (!now->runs || now->runs < thread->runs)
        thread->switches_known = false;
    else
        thread->switches += now->runs - thread->runs;
    thread->runs = now->runs;
    if (!same_stack)
        return count_stack(samples, thread, from);
    count_stack_again(samples, thread);
    return NULL;
}

struct error *samples_add(struct samples *samples, const struct report *report)
{
    const struct snapshot *snapshot = report->snapshot;
    char *executable = strdup(report->process->executable);
    if (!executable)
        return error_no_memory();
    free(samples->executable);
    samples->executable = executable;
    samples->last_us = monotonic_us();
    if (!samples->count) {
        samples->began = snapshot->time;
        samples->first_us = samples->last_us;
    }
    samples->count++;
    samples->pauses += snapshot->threads_paused;
    samples->pause_us += snapshot->pause_us;
    if (snapshot->pause_us > samples->longest_pause_us)
        samples->longest_pause_us = snapshot->pause_us;
    struct error *error = NULL;
    for (size_t i = 0; i < report->thread_count && !error; i++)
        error = count_thread(samples, &report->threads[i]);
    return error;
}

/* --- Afterwards. --- */

void samples_rename(struct samples *samples, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[i];
        const struct thread_key key = thread_key(thread);
        const struct known_thread *known = find_thread(samples, &key);
        if (known)
            memcpy(samples->threads[known->number].name, thread->name, sizeof(thread->name));
    }
}

static int compare_stacks(const void *left, const void *right)
{
    const struct sample_stack *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return a->last < b->last ? 1 : a->last > b->last ? -1 : 0;
}

static int compare_threads(const void *left, const void *right)
{
    const struct sample_thread *a = left, *b = right;
    if (a->tid != b->tid)
        return a->tid < b->tid ? -1 : 1;
    return a->start_time < b->start_time ? -1 : a->start_time > b->start_time;
}

void samples_sort(struct samples *samples)
{
    for (size_t i = 0; i < samples->thread_count; i++) {
        struct sample_thread *thread = &samples->threads[i];
        qsort(thread->stacks, thread->stack_count, sizeof(*thread->stacks), compare_stacks);
    }
    qsort(samples->threads, samples->thread_count, sizeof(*samples->threads), compare_threads);
}

const struct sample_thread *samples_find(const struct samples *samples,
                                         const struct thread_snapshot *thread)
{
    const struct sample_thread key = {.tid = thread->tid, .start_time = thread->start_time};
    return bsearch(&key, samples->threads, samples->thread_count, sizeof(key), compare_threads);
}

uint64_t samples_period_us(const struct samples *samples)
{
    return samples->count > 1 ? (samples->last_us - samples->first_us) / (samples->count - 1) : 0;
}
