#include "src/python_frames.h"

#include "injector/cleanup.h"
#include "injector/python_copies.h"
#include "src/python_locals.h"
#include "src/python_places.h"

#include <stdlib.h>
#include <string.h>

struct python_look {
    const struct python *python;           /* the layout's before the look, then the report's */
    struct python known;                   /* as it was before the look */
    struct python_live *live;              /* memory as it is after the look */
    struct python_threads *before, *after; /* the threads there were */
    struct python_copies *copies;          /* of those that were stopped; NULL: none can be */
    struct report_python **asleep;         /* of each thread of the snapshot that slept; or NULL */
    size_t thread_count;
};

static void destroy_stack(struct report_python *python, size_t index)
{
    struct frame_variables **values = python->values ? python->values[index] : NULL;
    for (size_t i = 0; values && i < python->stacks[index].count; i++)
        variables_destroy(values[i]);
    free(values);
    python_stack_deinit(&python->stacks[index]);
}

static void destroy(struct report_python *python)
{
    if (!python)
        return;
    for (size_t i = 0; i < python->stack_count; i++)
        destroy_stack(python, i);
    free(python->stacks);
    free(python->values);
    for (size_t i = 0; i < python->apart_count; i++)
        variables_destroy(python->apart[i].values);
    free(python->apart);
    free(python);
}

void python_frames_clear(struct report_thread *thread)
{
    destroy(thread->python);
    thread->python = NULL;
    thread->folded_count = 0;
}

void python_look_end(struct python_look *look)
{
    if (!look)
        return;
    for (size_t i = 0; i < look->thread_count; i++)
        destroy(look->asleep[i]);
    free(look->asleep);
    python_copies_destroy(look->copies);
    python_threads_destroy(look->before);
    python_threads_destroy(look->after);
    python_live_destroy(look->live);
    free(look);
}

/* --- The list of threads. --- */

#define LIST_ATTEMPTS 50

/* Threads that begin and end meanwhile tear the list: then it is read anew, from memory as it is by
   then. *live and *ret are the caller's. */
static struct error *list_whole(const struct python *python, struct process *process,
                                const pid_t *tids, size_t count, struct python_live **live,
                                struct python_threads **ret)
{
    for (unsigned attempt = 1;; attempt++) {
        *live = python_live_create(process);
        if (!*live)
            return error_no_memory();
        const struct python_memory memory = python_live_memory(*live);
        struct error *error = python_threads_read(python, &memory, tids, count, ret);
        if (error || !(*ret)->problem || attempt == LIST_ATTEMPTS)
            return error;
        python_threads_destroy(*ret);
        *ret = NULL;
        python_live_destroy(*live);
    }
}

/* --- Before the look. --- */

static struct error *list_now(const struct python_look *look, struct process *process,
                              struct python_threads **ret)
{
    CLEANUP_FREE pid_t *tids = NULL;
    size_t count;
    struct error *error = process_threads(process, &tids, &count);
    if (error)
        return error;
    struct python_live *live;
    error = list_whole(look->python, process, tids, count, &live, ret);
    python_live_destroy(live);
    return error;
}

static struct error *prepare_copies(struct python_look *look, struct process *process,
                                    struct snapshot_options *how,
                                    const struct dump_options *options)
{
    struct error *error = list_now(look, process, &look->before);
    if (error)
        return error;
    error = python_copies_create(&look->known, look->before, how->freeze ? look->before->count : 0,
                                 options->max_frames, options->locals ? python_locals_touch : NULL,
                                 &look->copies);
    how->copy_more = python_copies_take;
    how->prepare_copy = python_copies_prepare;
    how->copy_context = look->copies;
    return error;
}

struct error *python_look_begin(struct process *process, const struct python *python,
                                struct snapshot_options *how, const struct dump_options *options,
                                struct python_look **ret)
{
    if (!python || python->problem[0])
        return NULL;
    struct python_look *look = calloc(1, sizeof(*look));
    if (!look)
        return error_no_memory();
    *ret = look;
    look->python = python;
    look->known = *python;
    return prepare_copies(look, process, how, options);
}

/* --- Reading. --- */

/* The stacks of one thread, those without frames left out; *ret is NULL when there are none. */
static struct error *read_stacks(const struct python_look *look,
                                 const struct python_locals_source *source, pid_t tid,
                                 const struct dump_options *options, struct report_python **ret)
{
    size_t count;
    const struct python_thread *first = python_thread_find(look->after, tid, &count);
    *ret = NULL;
    if (!first)
        return NULL;
    struct report_python *python = calloc(1, sizeof(*python));
    if (python)
        python->stacks = calloc(count, sizeof(*python->stacks));
    if (python && options->locals && source->has_locals)
        python->values = calloc(count, sizeof(*python->values));
    struct error *error = python && python->stacks ? NULL : error_no_memory();
    for (size_t i = 0; i < count && !error; i++) {
        struct python_stack *stack = &python->stacks[python->stack_count];
        error =
            python_stack_read(look->python, source->frames, &first[i], options->max_frames, stack);
        if (stack->problem)
            python->problem = stack->problem;
        if (!error && stack->count)
            python->stack_count++;
        else
            python_stack_deinit(stack);
    }
    for (size_t i = 0; !error && python->values && i < python->stack_count; i++)
        error = python_locals_read(look->python, source, &python->stacks[i], &python->values[i]);
    if (error || (!python->stack_count && !python->problem)) {
        destroy(python);
        return error;
    }
    *ret = python;
    return NULL;
}

#define NEWER "the Python frames were read after the thread went on: they may be newer"
#define NOT_COPIED "its Python frames could not be copied while it was stopped"

static void mark_newer(struct report_python *python)
{
    python->problem = NEWER;
    for (size_t i = 0; python->values && i < python->stack_count; i++) {
        for (size_t j = 0; j < python->stacks[i].count; j++)
            variables_mark_live(python->values[i][j]);
    }
}

/* Of a thread that sleeps. *woke: it may have run before they were read. */
static struct error *read_asleep(struct python_look *look, struct report *report, size_t index,
                                 const struct dump_options *options, bool *woke)
{
    const struct thread_snapshot *thread = &report->snapshot->threads[index];
    const struct python_memory memory = python_live_memory(look->live);
    const struct python_locals_source source = {
        .process = report->process, .frames = &memory, .values = &memory, .has_locals = true};
    struct error *error = read_stacks(look, &source, thread->tid, options, &look->asleep[index]);
    *woke = false;
    if (error || !look->asleep[index])
        return error;
    *woke = !snapshot_slept_through(report->snapshot, thread);
    if (*woke)
        mark_newer(look->asleep[index]);
    return NULL;
}

static bool is_asleep(const struct thread_snapshot *thread)
{
    return thread->how == THREAD_BLOCKED || thread->how == THREAD_RACY;
}

static struct error *read_sleepers(struct python_look *look, struct report *report,
                                   const struct dump_options *options,
                                   const struct snapshot_options *how)
{
    CLEANUP_FREE size_t *woken = calloc(look->thread_count + 1, sizeof(*woken));
    size_t count = 0;
    if (!woken)
        return error_no_memory();
    for (size_t i = 0; i < look->thread_count; i++) {
        bool woke = false;
        if (report->threads[i].kept || !is_asleep(&report->snapshot->threads[i]))
            continue;
        struct error *error = read_asleep(look, report, i, options, &woke);
        if (error)
            return error;
        if (woke && report->snapshot->threads[i].how == THREAD_BLOCKED)
            woken[count++] = i;
    }
    return snapshot_pause_threads(report->snapshot, how, woken, count);
}

static const struct mapping *stack_of(const struct report *report,
                                      const struct thread_snapshot *thread)
{
    uint64_t sp = thread->registers.value[arch_sp];
    return sp ? maps_find(report->snapshot->maps, sp) : NULL;
}

/* The thread on whose stack something lies; 0: nobody's. */
static pid_t owner_of(const struct report *report, const struct mapping *stack)
{
    for (size_t i = 0; i < report->snapshot->thread_count; i++) {
        if (stack_of(report, &report->snapshot->threads[i]) == stack)
            return report->snapshot->threads[i].tid;
    }
    return 0;
}

/* Where the search has come to is *at: asked for ascending ids. */
static const struct thread_snapshot *find_thread(const struct report *report, size_t *at, pid_t tid)
{
    const struct snapshot *snapshot = report->snapshot;
    while (*at < snapshot->thread_count && snapshot->threads[*at].tid < tid)
        ++*at;
    bool found = *at < snapshot->thread_count && snapshot->threads[*at].tid == tid;
    return found ? &snapshot->threads[*at] : NULL;
}

/* Code of an interpreter may be run by another thread than the one that made its state: whose stack
   it runs on tells. */
static void correct_owners(const struct python_look *look, const struct report *report,
                           const struct python_memory *memory)
{
    bool any = false;
    size_t at = 0;
    for (size_t i = 0; i < look->after->count; i++) {
        struct python_thread *thread = &look->after->items[i];
        uint64_t native = python_thread_native(look->python, memory, thread);
        const struct mapping *stack = native ? maps_find(report->snapshot->maps, native) : NULL;
        const struct thread_snapshot *named = find_thread(report, &at, thread->tid);
        if (!stack || (named && stack_of(report, named) == stack))
            continue;
        pid_t owner = owner_of(report, stack);
        any |= owner != 0;
        thread->tid = owner ? owner : thread->tid;
    }
    if (any)
        python_threads_sort(look->after);
}

static struct error *list_threads(struct python_look *look, struct report *report)
{
    CLEANUP_FREE pid_t *tids = calloc(report->thread_count + 1, sizeof(*tids));
    if (!tids)
        return error_no_memory();
    for (size_t i = 0; i < report->thread_count; i++)
        tids[i] = report->snapshot->threads[i].tid;
    struct error *error = list_whole(look->python, report->process, tids, report->thread_count,
                                     &look->live, &look->after);
    if (error)
        return error;
    report->python_threads_problem = look->after->problem;
    const struct python_memory memory = python_live_memory(look->live);
    correct_owners(look, report, &memory);
    return NULL;
}

/* What was copied is of another interpreter: the process runs another program now. */
static bool copies_hold(const struct python_look *look, const struct python *python)
{
    return look->known.runtime == python->runtime && look->known.version == python->version;
}

struct error *python_look_read(struct python_look **to, struct report *report,
                               const struct dump_options *options,
                               const struct snapshot_options *how)
{
    if (!report->python || report->python->problem[0])
        return NULL;
    if (!*to)
        *to = calloc(1, sizeof(**to));
    struct python_look *look = *to;
    if (!look)
        return error_no_memory();
    look->python = report->python;
    look->asleep = calloc(report->thread_count + 1, sizeof(*look->asleep));
    if (!look->asleep)
        return error_no_memory();
    look->thread_count = report->thread_count;
    struct error *error = list_threads(look, report);
    return error ? error : read_sleepers(look, report, options, how);
}

/* --- Adding. --- */

/* Of a thread that was stopped: from its copy. Of a saved one all that was copied is memory. */
static struct error *read_stopped(struct python_look *look, const struct report *report,
                                  const struct thread_snapshot *thread,
                                  const struct dump_options *options, struct report_python **ret)
{
    struct python_memory memory = python_live_memory(look->live), values = memory;
    bool copied = report->process->saved || (look->copies && copies_hold(look, report->python) &&
                                             python_copies_memory(look->copies, report->process,
                                                                  thread->tid, &memory, &values));
    const struct python_locals_source source = {
        .process = report->process,
        .frames = &memory,
        .values = &values,
        .is_copy = true,
        .has_locals = copied,
    };
    struct error *error = read_stacks(look, &source, thread->tid, options, ret);
    if (!error && *ret && !copied)
        (*ret)->problem = NOT_COPIED;
    return error;
}

static struct error *add_to_thread(struct python_look *look, struct report *report, size_t index,
                                   const struct dump_options *options)
{
    struct report_thread *thread = &report->threads[index];
    struct report_python *python = NULL;
    struct error *error = NULL;
    if (is_asleep(thread->thread)) {
        python = look->asleep[index];
        look->asleep[index] = NULL;
    } else if (thread->thread->how == THREAD_FROZEN) {
        error = read_stopped(look, report, thread->thread, options, &python);
    }
    if (error || !python)
        return error;
    thread->python = python;
    return python_places_merge(look->python, thread, !options->interpreter_frames);
}

struct error *python_look_add(struct python_look *look, struct report *report,
                              const struct dump_options *options)
{
    struct error *error = NULL;
    for (size_t i = 0; look && i < look->thread_count && !error; i++) {
        if (!report->threads[i].kept)
            error = add_to_thread(look, report, i, options);
    }
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

static int compare_apart(const struct report_frame *a, const struct report_frame *b)
{
    int order = python_frames_compare(a, b);
    return order ? order : variables_compare(a->values, b->values);
}

int python_compare(const struct report_python *a, const struct report_python *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    int order = compare_texts(a->problem, b->problem);
    if (!order)
        order = (a->apart_count > b->apart_count) - (a->apart_count < b->apart_count);
    for (size_t i = 0; i < a->apart_count && !order; i++)
        order = compare_apart(&a->apart[i], &b->apart[i]);
    return order;
}
