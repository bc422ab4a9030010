#include "src/python_places.h"

#include "injector/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define NO_PLACE SIZE_MAX

/* Python frames that one native frame runs: from the innermost to the one that C code called. */
struct activation {
    const struct python_frame *frames;
    struct frame_variables **values; /* of each; NULL: none */
    size_t count;
    uint64_t native; /* an address in that native frame; 0: unknown */
    size_t place;    /* its index in the thread's frames; NO_PLACE */
};

struct merge {
    const struct python *python;
    struct report_thread *thread;
    bool fold;
    struct activation *activations; /* innermost first */
    size_t count;
};

/* --- What belongs together. --- */

static void add_activations(struct merge *merge, const struct python_stack *stack,
                            struct frame_variables **values)
{
    for (size_t i = 0; i < stack->count;) {
        size_t end = i;
        while (end < stack->count && !stack->frames[end].is_entry)
            end++;
        end += end < stack->count;
        merge->activations[merge->count++] = (struct activation){
            .frames = &stack->frames[i],
            .values = values ? &values[i] : NULL,
            .count = end - i,
            .native = stack->frames[end - 1].native,
            .place = NO_PLACE,
        };
        i = end;
    }
}

static int compare_activations(const void *left, const void *right)
{
    const struct activation *a = left, *b = right;
    return a->native < b->native ? -1 : a->native > b->native;
}

/* Those of several interpreters lie on one C stack: its addresses give their order. */
static struct error *find_activations(struct merge *merge)
{
    const struct report_python *python = merge->thread->python;
    size_t count = 0;
    for (size_t i = 0; i < python->stack_count; i++)
        count += python->stacks[i].count;
    merge->activations = calloc(count + 1, sizeof(*merge->activations));
    if (!merge->activations)
        return error_no_memory();
    for (size_t i = 0; i < python->stack_count; i++)
        add_activations(merge, &python->stacks[i], python->values ? python->values[i] : NULL);
    if (python->stack_count > 1)
        qsort(merge->activations, merge->count, sizeof(*merge->activations), compare_activations);
    return NULL;
}

/* --- Where. --- */

static bool is_physical(const struct report_frame *frame)
{
    return !frame->location.inlined;
}

static bool in_interpreter(const struct merge *merge, const struct report_frame *frame)
{
    uint64_t pc = frame_lookup_pc(&frame->frame);
    return pc >= merge->python->code_low && pc < merge->python->code_high;
}

/*
 * The native frame whose part of the stack an address lies in. A frame's part goes from the CFA of
 * the one that it called, of the innermost from the stack pointer, to its own.
 */
static size_t find_by_address(const struct merge *merge, uint64_t address)
{
    const struct report_thread *thread = merge->thread;
    uint64_t low = thread->thread->registers.value[arch_sp];
    for (size_t i = 0; i < thread->frame_count; i++) {
        const struct report_frame *frame = &thread->frames[i];
        if (!is_physical(frame))
            continue;
        if (low && address >= low && address < frame->frame.cfa)
            return in_interpreter(merge, frame) ? i : NO_PLACE;
        low = frame->frame.cfa;
    }
    return NO_PLACE;
}

static bool is_evaluating(const struct merge *merge, const struct report_frame *frame)
{
    static const char name[] = "_PyEval_EvalFrameDefault"; /* and ".cold" behind it */
    return is_physical(frame) &&
           (python_is_evaluating(merge->python, frame_lookup_pc(&frame->frame)) ||
            (in_interpreter(merge, frame) && frame->location.function &&
             !strncmp(frame->location.function, name, strlen(name))));
}

static size_t count_evaluating(const struct merge *merge)
{
    size_t count = 0;
    for (size_t i = 0; i < merge->thread->frame_count; i++)
        count += is_evaluating(merge, &merge->thread->frames[i]);
    return count;
}

/*
 * One after another, where the numbers agree. The innermost native frame may be about to begin with
 * a Python frame, or just have ended it: then it has none. Of a native stack that is cut off the
 * outer ones are missing.
 */
static void place_by_count(struct merge *merge)
{
    const struct report_thread *thread = merge->thread;
    size_t native = count_evaluating(merge), next = 0;
    bool skip = native == merge->count + 1 && is_evaluating(merge, &thread->frames[0]);
    bool cut = thread->end != UNWIND_COMPLETE && native < merge->count;
    if (native != merge->count && !skip && !cut)
        return;
    for (size_t i = skip ? 1 : 0; i < thread->frame_count && next < merge->count; i++) {
        if (is_evaluating(merge, &thread->frames[i]))
            merge->activations[next++].place = i;
    }
}

/* Places go outwards from one to the next; otherwise none of them is to be believed. */
static void check_order(struct merge *merge)
{
    size_t before = NO_PLACE;
    for (size_t i = 0; i < merge->count; i++) {
        size_t place = merge->activations[i].place;
        if (place == NO_PLACE)
            continue;
        if (before != NO_PLACE && place <= before) {
            for (size_t j = 0; j < merge->count; j++)
                merge->activations[j].place = NO_PLACE;
            return;
        }
        before = place;
    }
}

static void find_places(struct merge *merge)
{
    bool by_address = false;
    for (size_t i = 0; i < merge->count; i++) {
        struct activation *activation = &merge->activations[i];
        by_address |= activation->native != 0;
        if (activation->native)
            activation->place = find_by_address(merge, activation->native);
    }
    if (!by_address && merge->thread->python->stack_count == 1)
        place_by_count(merge);
    check_order(merge);
}

/* --- Together. --- */

static struct report_frame python_report_frame(const struct python_frame *python,
                                               const struct report_frame *native)
{
    struct report_frame frame = {.python = python};
    if (native) {
        frame.frame = native->frame;
        frame.location.module = native->location.module;
    }
    frame.location.function = python->function;
    frame.location.file = python->file[0] ? python->file : NULL;
    frame.location.line = python->line;
    return frame;
}

static size_t put_activation(const struct activation *activation, const struct report_frame *native,
                             struct report_frame *to)
{
    for (size_t i = 0; i < activation->count; i++) {
        to[i] = python_report_frame(&activation->frames[i], native);
        if (!activation->values)
            continue;
        to[i].values = activation->values[i];
        activation->values[i] = NULL;
    }
    return activation->count;
}

static bool is_cut(const struct report_thread *thread)
{
    return thread->end == UNWIND_LIMIT;
}

/* Those whose native frame is not known; where --max-frames left it out, they are left out too. */
static void put_apart(struct merge *merge, struct report_python *python)
{
    size_t last = 0;
    for (size_t i = 0; i < merge->count; i++)
        last = merge->activations[i].place == NO_PLACE ? last : i + 1;
    for (size_t i = 0; i < merge->count; i++) {
        const struct activation *activation = &merge->activations[i];
        if (activation->place == NO_PLACE && !(i >= last && last && is_cut(merge->thread)))
            python->apart_count +=
                put_activation(activation, NULL, &python->apart[python->apart_count]);
    }
}

/* The first of the frames that share an address with the physical one: those inlined into it. */
static size_t first_at(const struct report_thread *thread, size_t physical)
{
    while (physical > 0 && !is_physical(&thread->frames[physical - 1]))
        physical--;
    return physical;
}

/* `to` has room for all. Returns how many there are. */
static size_t put_together(const struct merge *merge, struct report_frame *to)
{
    const struct report_thread *thread = merge->thread;
    size_t count = 0, next = 0, at = 0;
    while (at < thread->frame_count) {
        while (next < merge->count && merge->activations[next].place == NO_PLACE)
            next++;
        size_t place = next < merge->count ? merge->activations[next].place : NO_PLACE;
        size_t end = place == NO_PLACE ? thread->frame_count : first_at(thread, place);
        while (at < end)
            to[count++] = thread->frames[at++];
        if (place == NO_PLACE)
            continue;
        count += put_activation(&merge->activations[next++], &thread->frames[place], &to[count]);
        for (; at <= place; at++) {
            to[count] = thread->frames[at];
            to[count++].folded = merge->fold;
        }
    }
    return count;
}

/* --- What need not be seen. --- */

/* A native frame that is there for the interpreter's sake: in a file of its own, or with a name of
   its own in a program that it is part of. */
static bool is_plumbing(const struct merge *merge, const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    if (frame->python || !in_interpreter(merge, frame))
        return false;
    return (location->module && strstr(location->module->path, "python")) ||
           (location->function &&
            (!strncmp(location->function, "Py", 2) || !strncmp(location->function, "_Py", 3)));
}

/* A run of such frames next to Python frames; but not what the innermost Python frame has called,
   which is what the thread is doing. */
static void fold(const struct merge *merge, struct report_frame *frames, size_t count)
{
    size_t first = 0;
    while (first < count && !frames[first].python)
        first++;
    for (size_t i = first; i < count;) {
        size_t end = i;
        while (end < count && (frames[end].folded || is_plumbing(merge, &frames[end])))
            end++;
        bool beside = frames[i > 0 ? i - 1 : 0].python || (end < count && frames[end].python);
        for (size_t j = i; j < end; j++)
            frames[j].folded |= beside;
        i = end + 1;
    }
}

static struct error *merge_frames(struct merge *merge)
{
    struct report_thread *thread = merge->thread;
    struct report_python *python = thread->python;
    size_t room = thread->frame_count + 1;
    for (size_t i = 0; i < merge->count; i++)
        room += merge->activations[i].count;
    struct report_frame *frames = calloc(room, sizeof(*frames));
    python->apart = calloc(room, sizeof(*python->apart));
    if (!frames || !python->apart) {
        free(frames);
        return error_no_memory();
    }
    put_apart(merge, python);
    size_t count = put_together(merge, frames);
    if (merge->fold)
        fold(merge, frames, count);
    free(thread->frames);
    thread->frames = frames;
    thread->frame_count = count;
    for (size_t i = 0; i < count; i++)
        thread->folded_count += frames[i].folded;
    return NULL;
}

struct error *python_places_merge(const struct python *python, struct report_thread *thread,
                                  bool fold)
{
    struct merge merge = {.python = python, .thread = thread, .fold = fold};
    struct error *error = find_activations(&merge);
    if (!error) {
        find_places(&merge);
        error = merge_frames(&merge);
    }
    free(merge.activations);
    return error;
}
