/* From a target to everything the output forms print: look, unwind, and name, in this order. */
#include "injector/cleanup.h"
#include "src/dump.h"
#include "src/fetch.h"
#include "src/kept_stacks.h"
#include "src/locals.h"
#include "src/python_frames.h"
#include "src/waits.h"

#include <stdlib.h>
#include <string.h>

/* A process that becomes another one while we look is looked at again, so often. */
#define PROGRAMS_MAX 3

static struct error *unwind_one(struct unwinder *unwinder, const struct thread_snapshot *thread,
                                size_t max_frames, struct stack *stack)
{
    if (thread->how == THREAD_UNREADABLE)
        return NULL;
    return unwind_thread(unwinder, thread, UNWIND_ALL_RULES, max_frames, stack);
}

static struct error *unwind_all(const struct report *report, struct unwinder *unwinder,
                                size_t max_frames, struct stack *stacks)
{
    for (size_t i = 0; i < report->thread_count; i++) {
        if (report->threads[i].kept)
            continue;
        struct error *error =
            unwind_one(unwinder, &report->snapshot->threads[i], max_frames, &stacks[i]);
        if (error)
            return error;
    }
    return NULL;
}

/*
 * Some frames can only be found with a register that the kernel does not show of a blocked thread.
 * Those threads, and no others, are stopped for it. A thread that could not be stopped either keeps
 * the frames it has.
 */
static struct error *unwind_with_registers(struct snapshot *snapshot, struct unwinder *unwinder,
                                           const struct snapshot_options *how, size_t max_frames,
                                           struct stack *stacks)
{
    CLEANUP_FREE size_t *indices = calloc(snapshot->thread_count + 1, sizeof(*indices));
    if (!indices)
        return error_no_memory();
    size_t count = 0;
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (stacks[i].end == UNWIND_NEEDS_REGISTER)
            indices[count++] = i;
    }
    if (count == 0)
        return NULL;

    struct error *error = snapshot_pause_threads(snapshot, how, indices, count);
    for (size_t i = 0; !error && i < count; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[indices[i]];
        if (thread->how == THREAD_UNREADABLE)
            continue;
        struct stack again = {0};
        error = unwind_one(unwinder, thread, max_frames, &again);
        if (!error) {
            stack_deinit(&stacks[indices[i]]);
            stacks[indices[i]] = again;
        }
    }
    return error;
}

static const char *explain_end(const struct stack *stack)
{
    switch (stack->end) {
    case UNWIND_COMPLETE:
        return NULL;
    case UNWIND_LIMIT:
        return "there are more frames: --max-frames 0 shows all";
    case UNWIND_NEEDS_REGISTER:
        return "the next frame needs a register that is not known of this thread";
    case UNWIND_STOPPED:
        return stack->reason ? stack->reason : "no rule finds the next frame";
    }
    return NULL;
}

/* Frames with their names. The inlined functions of one address come as frames of their own. */
static struct error *name_frames(struct symbols *symbols, const struct stack *stack,
                                 struct report_thread *ret)
{
    size_t capacity = 0;
    for (size_t i = 0; i < stack->count; i++) {
        size_t count = 0;
        const struct frame *frame = &stack->frames[i];
        const struct location *locations =
            symbols_resolve(symbols, frame->pc, frame_lookup_pc(frame), &count);
        if (ret->frame_count + count > capacity) {
            capacity = (ret->frame_count + count) * 2 + stack->count;
            struct report_frame *frames = reallocarray(ret->frames, capacity, sizeof(*frames));
            if (!frames)
                return error_no_memory();
            ret->frames = frames;
        }
        for (size_t j = 0; j < count; j++)
            ret->frames[ret->frame_count++] =
                (struct report_frame){.frame = *frame, .location = locations[j]};
    }
    return NULL;
}

/* A zombie leader or a thread that ends has no stack any more: nothing of it is missing. */
static bool has_stack(const struct thread_snapshot *thread)
{
    return thread->state != 'Z' && thread->state != 'X';
}

static void clear_frames(struct report_thread *thread)
{
    for (size_t i = 0; i < thread->frame_count; i++)
        variables_destroy(thread->frames[i].values);
    free(thread->frames);
    thread->frames = NULL;
    thread->frame_count = 0;
    python_frames_clear(thread);
}

struct error *report_name_thread(struct report *report, size_t index, const struct stack *stack)
{
    struct report_thread *thread = &report->threads[index];
    clear_frames(thread);
    thread->thread = &report->snapshot->threads[index];
    thread->end = stack->end;
    thread->reason = explain_end(stack);
    thread->live = stack->live;
    thread->saved = stack->saved;
    struct error *error = name_frames(report->symbols, stack, thread);
    thread->lasting = !error && kept_stacks_last(thread);
    return error;
}

static struct error *name_all(struct report *report, const struct stack *stacks)
{
    for (size_t i = 0; i < report->thread_count; i++) {
        if (report->threads[i].kept)
            continue;
        struct error *error = report_name_thread(report, i, &stacks[i]);
        if (error)
            return error;
        if (report->threads[i].frame_count == 0 && has_stack(report->threads[i].thread))
            report->partial = true;
    }
    return NULL;
}

static struct error *name_goroutines(struct report *report)
{
    size_t count = report->goroutines->count;
    report->goroutine_stacks = calloc(count + 1, sizeof(*report->goroutine_stacks));
    if (!report->goroutine_stacks)
        return error_no_memory();
    for (size_t i = 0; i < count; i++) {
        struct report_goroutine *named = &report->goroutine_stacks[i];
        named->goroutine = &report->goroutines->items[i];
        named->stack.end = named->goroutine->stack.end;
        named->stack.reason = explain_end(&named->goroutine->stack);
        struct error *error = name_frames(report->symbols, &named->goroutine->stack, &named->stack);
        if (error)
            return error;
    }
    return NULL;
}

/* After the threads: only their stacks tell that this is a Go program. */
static struct error *resolve_goroutines(struct report *report, const struct dump_options *options)
{
    struct error *error =
        goroutines_read(report->snapshot, report->modules, report->layout->unwinder,
                        options->max_frames, &report->goroutines);
    return error || !report->goroutines ? error : name_goroutines(report);
}

static void destroy_goroutines(struct report *report)
{
    for (size_t i = 0; report->goroutine_stacks && i < report->goroutines->count; i++)
        free(report->goroutine_stacks[i].stack.frames);
    free(report->goroutine_stacks);
    goroutines_destroy(report->goroutines);
}

static void destroy_stacks(struct stack *stacks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        stack_deinit(&stacks[i]);
    free(stacks);
}

/* The other forms add up frames, and have no place for values. */
static bool shows_values(const struct dump_options *options)
{
    return options->format == FORMAT_TEXT || options->format == FORMAT_JSON;
}

/* Unwinds and names; `stacks` has room for every thread. */
static struct error *resolve_stacks(struct report *report, const struct dump_options *options,
                                    const struct snapshot_options *how, struct python_look *look,
                                    struct stack *stacks)
{
    struct unwinder *unwinder = report->layout->unwinder;
    struct error *error = unwind_all(report, unwinder, options->max_frames, stacks);
    if (!error)
        error = unwind_with_registers(report->snapshot, unwinder, how, options->max_frames, stacks);
    if (error)
        return error;
    /* Samples have a progress line already. */
    fetch_debug_files(report->modules, stacks, report->thread_count, options->count <= 1);
    error = name_all(report, stacks);
    if (!error && options->locals && shows_values(options))
        error = locals_collect(report, unwinder, options, how);
    if (!error)
        error = python_look_add(look, report, options);
    if (!error)
        error = resolve_goroutines(report, options);
    modules_check_files(report->modules);
    return error;
}

static struct symbols_options names_for(const struct dump_options *options)
{
    return (struct symbols_options){.raw_names = options->raw_names,
                                    .no_source = options->no_source,
                                    .no_inlines = options->no_inlines};
}

static struct error *get_layout(struct report *report, const struct dump_options *options,
                                struct layout *before)
{
    const struct symbols_options names = names_for(options);
    struct error *error = layout_get(before, report->snapshot, &names, &report->layout);
    if (error)
        return error;
    report->modules = report->layout->modules;
    report->symbols = report->layout->symbols;
    report->python = report->layout->python;
    return NULL;
}

/* Everything after the snapshot: but for Python, works on the copy, while the target runs. */
static struct error *resolve(struct report *report, const struct dump_options *options,
                             const struct snapshot_options *how, const struct report *before,
                             struct python_look **look)
{
    size_t count = report->snapshot->thread_count;
    report->threads = calloc(count + 1, sizeof(*report->threads));
    struct stack *stacks = calloc(count + 1, sizeof(*stacks));
    struct error *error = report->threads && stacks ? NULL : error_no_memory();
    if (!error) {
        report->thread_count = count;
        kept_stacks_find(report, before);
        error = python_look_read(look, report, options, how);
    }
    if (!error)
        error = resolve_stacks(report, options, how, *look, stacks);
    if (stacks)
        destroy_stacks(stacks, count);
    return error;
}

/*
 * Looks, and resolves. `layout` is that of the look before, or one that was prepared for this one;
 * NULL: there is none.
 */
static struct error *look_with(struct report *report, const struct dump_options *options,
                               struct snapshot_options *how, struct layout *layout,
                               struct report *before)
{
    struct python_look *look = NULL;
    struct process *process = report->process;
    struct error *error =
        python_look_begin(process, layout ? layout->python : NULL, how, options, &look);
    if (!error)
        error = snapshot_take(process, how, &report->snapshot);
    /* What was read of the process before that is not in the recording any more. */
    if (!error)
        error = get_layout(report, options, process->recording ? NULL : layout);
    if (!error)
        error = resolve(report, options, how, before, &look);
    python_look_end(look);
    return error;
}

/* The first look: what it learns of the target's files it learns before, so that it knows where the
   Python frames of threads are that it stops. */
static struct error *look_first(struct report *report, const struct dump_options *options,
                                struct snapshot_options *how)
{
    struct layout *layout = NULL;
    const struct symbols_options names = names_for(options);
    struct process *process = report->process;
    /* Asked first: so its end, or an execve(2), is told as what it is from here on. */
    struct error *error = process->saved ? NULL : process_check_access(process);
    if (!error && !process->saved)
        error = layout_prepare(process, &names, &layout);
    if (!error) {
        how->maps = layout ? layout->maps : NULL;
        error = look_with(report, options, how, layout, NULL);
    }
    layout_release(layout);
    return error;
}

struct error *report_find_waits(struct report *report)
{
    return report->waits ? NULL : waits_create(report, &report->waits);
}

static struct error *create(struct process *process, const struct dump_options *options,
                            struct report *before, struct report **ret)
{
    struct report *report = calloc(1, sizeof(*report));
    if (!report)
        return error_no_memory();
    report->process = process;
    struct snapshot_options how = {.freeze = options->freeze,
                                   .max_pause_us = options->max_pause_us,
                                   .again = options->count > 1};
    struct error *error = before ? process_refresh(process) : NULL;
    CLEANUP_FREE bool *known = NULL;
    if (!error && before && kept_stacks_wanted(before, options))
        error = kept_stacks_list(before, &known);
    if (known) {
        how.before = before->snapshot;
        how.frames_known = known;
    }
    if (!error)
        error = before ? look_with(report, options, &how, before->layout, before)
                       : look_first(report, options, &how);
    if (!error && options->count <= 1)
        error = report_find_waits(report);
    /* Else what was read last may be the other program's. */
    if (!error)
        error = process_check_program(process);
    if (error) {
        report_destroy(report);
        return error;
    }
    if (before)
        kept_stacks_move(report, before);
    *ret = report;
    return NULL;
}

struct error *report_create(struct process *process, const struct dump_options *options,
                            struct report *before, struct report **ret)
{
    for (unsigned tries = 1;; tries++) {
        /* What is known of the program before is of no use for another one. */
        struct error *error = create(process, options, tries == 1 ? before : NULL, ret);
        if (!error || tries == PROGRAMS_MAX || process_is_same_program(process))
            return error;
        error_destroy(error);
        error = process_refresh(process);
        if (error)
            return error;
    }
}

void report_destroy(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->thread_count; i++)
        clear_frames(&report->threads[i]);
    free(report->threads);
    destroy_goroutines(report);
    waits_destroy(report->waits);
    layout_release(report->layout);
    if (report->snapshot)
        snapshot_destroy(report->snapshot);
    free(report);
}

void report_cleanup(struct report **report)
{
    report_destroy(*report);
}
