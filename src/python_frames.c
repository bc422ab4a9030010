#include "src/python_frames.h"

#include "injector/cleanup.h"
#include "src/python_places.h"

#include <stdlib.h>
#include <string.h>

/* All that is read of the interpreter at one look. */
struct reading {
    struct report *report;
    const struct dump_options *options;
    struct python_live *live;
    struct python_memory memory;
    struct python_threads *threads;
};

static void destroy(struct report_python *python)
{
    if (!python)
        return;
    for (size_t i = 0; i < python->stack_count; i++)
        python_stack_deinit(&python->stacks[i]);
    free(python->stacks);
    free(python->apart);
    free(python);
}

void python_frames_clear(struct report_thread *thread)
{
    destroy(thread->python);
    thread->python = NULL;
    thread->folded_count = 0;
}

/* The stacks of one thread; those without frames are left out. */
static struct error *read_stacks(struct reading *reading, const struct python_thread *first,
                                 size_t count, struct report_python *ret)
{
    ret->stacks = calloc(count, sizeof(*ret->stacks));
    if (!ret->stacks)
        return error_no_memory();
    for (size_t i = 0; i < count; i++) {
        struct python_stack *stack = &ret->stacks[ret->stack_count];
        struct error *error = python_stack_read(reading->report->python, &reading->memory,
                                                &first[i], reading->options->max_frames, stack);
        if (error)
            return error;
        if (stack->problem)
            ret->problem = stack->problem;
        if (stack->count)
            ret->stack_count++;
        else
            python_stack_deinit(stack);
    }
    return NULL;
}

static const char *doubt(struct reading *reading, const struct thread_snapshot *thread)
{
    if (snapshot_slept_through(reading->report->snapshot, thread))
        return NULL;
    return "the Python frames were read after the thread went on: they may be newer";
}

static struct error *add_to_thread(struct reading *reading, struct report_thread *thread)
{
    size_t count;
    const struct python_thread *first =
        python_thread_find(reading->threads, thread->thread->tid, &count);
    if (!first || thread->thread->how == THREAD_UNREADABLE)
        return NULL;
    struct report_python *python = calloc(1, sizeof(*python));
    if (!python)
        return error_no_memory();
    struct error *error = read_stacks(reading, first, count, python);
    if (error || (!python->stack_count && !python->problem)) {
        destroy(python);
        return error;
    }
    thread->python = python;
    const char *why = doubt(reading, thread->thread);
    if (why)
        python->problem = why;
    return python_places_merge(reading->report->python, thread,
                               !reading->options->interpreter_frames);
}

static struct error *list_threads(struct reading *reading)
{
    const struct report *report = reading->report;
    CLEANUP_FREE pid_t *tids = calloc(report->thread_count + 1, sizeof(*tids));
    if (!tids)
        return error_no_memory();
    for (size_t i = 0; i < report->thread_count; i++)
        tids[i] = report->snapshot->threads[i].tid;
    return python_threads_read(report->python, &reading->memory, tids, report->thread_count,
                               &reading->threads);
}

static struct error *add_all(struct reading *reading)
{
    struct report *report = reading->report;
    struct error *error = list_threads(reading);
    for (size_t i = 0; i < report->thread_count && !error; i++) {
        if (!report->threads[i].kept)
            error = add_to_thread(reading, &report->threads[i]);
    }
    return error;
}

struct error *python_frames_add(struct report *report, const struct dump_options *options)
{
    if (!report->python || report->python->problem[0])
        return NULL;
    struct reading reading = {.report = report, .options = options};
    reading.live = python_live_create(report->process);
    if (!reading.live)
        return error_no_memory();
    reading.memory = python_live_memory(reading.live);
    struct error *error = add_all(&reading);
    python_threads_destroy(reading.threads);
    python_live_destroy(reading.live);
    return error;
}

/* --- Comparing. --- */

int python_frames_compare(const struct report_frame *a, const struct report_frame *b)
{
    if (!a->python || !b->python)
        return (a->python != NULL) - (b->python != NULL);
    int order = strcmp(a->python->function, b->python->function);
    if (!order)
        order = strcmp(a->python->file, b->python->file);
    return order ? order
                 : (a->python->line > b->python->line) - (a->python->line < b->python->line);
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

int python_compare(const struct report_python *a, const struct report_python *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    int order = compare_texts(a->problem, b->problem);
    if (!order)
        order = (a->apart_count > b->apart_count) - (a->apart_count < b->apart_count);
    for (size_t i = 0; i < a->apart_count && !order; i++)
        order = python_frames_compare(&a->apart[i], &b->apart[i]);
    return order;
}
