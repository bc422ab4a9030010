#include "src/locals.h"

#include "injector/cleanup.h"
#include "src/lines.h"

#include <stdlib.h>

/* A thread whose variables are read: one frame here for each of its stack. */
struct walk {
    struct report *report;
    bool inlines;
    struct value_thread thread;
    struct value_frame *frames;
    size_t count;
};

/* What the debug information needs to know of a frame; its function, where it is known. */
static void describe_frame(struct walk *walk, const struct stack *stack, size_t index,
                           Dwarf_Die entries[SOURCE_FRAMES_MAX], size_t *entry_count)
{
    const struct frame *frame = &stack->frames[index];
    struct value_frame *ret = &walk->frames[index];
    struct module *module = modules_find(walk->report->modules, frame_lookup_pc(frame));
    struct lines *lines = module ? symbols_lines(walk->report->symbols, module) : NULL;
    *ret = (struct value_frame){
        .thread = &walk->thread,
        .registers = &stack->registers[index],
        .cfa = frame->cfa,
        .bias = module ? module->bias : 0,
        .is_caller = frame->is_call_site,
        .in_syscall = index == 0 && walk->thread.thread->in_syscall,
        .caller = index + 1 < stack->count ? ret + 1 : NULL,
    };
    ret->pc = frame->pc - ret->bias;
    ret->lookup_pc = frame_lookup_pc(frame) - ret->bias;
    *entry_count =
        lines ? lines_find_entries(lines, frame_lookup_pc(frame), walk->inlines, entries) : 0;
    ret->has_function = *entry_count > 0;
    if (ret->has_function)
        ret->function = entries[*entry_count - 1];
}

/* The values of the report's frames from *next on that are those of one frame of the stack. */
static struct error *read_frame(struct walk *walk, struct report_thread *thread,
                                const struct stack *stack, size_t index, size_t *next)
{
    Dwarf_Die entries[SOURCE_FRAMES_MAX];
    size_t count, first = *next;
    while (*next < thread->frame_count && thread->frames[*next].location.inlined)
        ++*next;
    ++*next;
    describe_frame(walk, stack, index, entries, &count);
    /* Where the two disagree, nobody knows whose the variables are. */
    if (*next > thread->frame_count || count != *next - first)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct error *error = variables_read(&walk->frames[index], walk->report->symbols,
                                             &entries[i], &thread->frames[first + i].values);
        if (error)
            return error;
    }
    return NULL;
}

static struct error *read_frames(struct walk *walk, struct report_thread *thread,
                                 const struct stack *stack)
{
    Dwarf_Die entries[SOURCE_FRAMES_MAX];
    size_t count, next = 0;
    struct error *error = NULL;
    for (size_t i = 0; i < stack->count; i++)
        describe_frame(walk, stack, i, entries, &count);
    for (size_t i = 0; i < stack->count && !error; i++)
        error = read_frame(walk, thread, stack, i, &next);
    return error;
}

/*
 * The variables of one thread. `again`: it was stopped since its frames were named. *stop is set
 * when a stop would show more.
 */
static struct error *read_thread(struct report *report, struct unwinder *unwinder, size_t index,
                                 const struct dump_options *options, bool again, bool *stop)
{
    const struct thread_snapshot *thread = &report->snapshot->threads[index];
    struct stack stack = {0};
    struct walk walk = {.report = report,
                        .inlines = !options->no_inlines,
                        .thread = {.process = report->snapshot->process,
                                   .snapshot = report->snapshot,
                                   .thread = thread,
                                   .modules = report->modules}};
    *stop = false;
    if (thread->how == THREAD_UNREADABLE)
        return NULL;
    struct error *error =
        unwind_thread(unwinder, thread, UNWIND_ALL_RULES, options->max_frames, &stack);
    if (error)
        return error;
    if (again)
        error = report_name_thread(report, index, &stack);
    walk.frames = calloc(stack.count + 1, sizeof(*walk.frames));
    if (!walk.frames && !error)
        error = error_no_memory();
    /* Frames as a saved target had them come without registers. */
    if (!error && stack.registers)
        error = read_frames(&walk, &report->threads[index], &stack);
    free(walk.frames);
    stack_deinit(&stack);
    *stop = walk.thread.needs_register && thread->how == THREAD_BLOCKED;
    return error;
}

static struct error *collect(struct report *report, struct unwinder *unwinder,
                             const struct dump_options *options, const struct snapshot_options *how)
{
    CLEANUP_FREE size_t *indices = calloc(report->thread_count + 1, sizeof(*indices));
    size_t count = 0;
    bool stop;
    if (!indices)
        return error_no_memory();
    for (size_t i = 0; i < report->thread_count; i++) {
        struct error *error = read_thread(report, unwinder, i, options, false, &stop);
        if (error)
            return error;
        if (stop)
            indices[count++] = i;
    }
    struct error *error = snapshot_pause_threads(report->snapshot, how, indices, count);
    for (size_t i = 0; i < count && !error; i++)
        error = read_thread(report, unwinder, indices[i], options, true, &stop);
    return error;
}

struct error *locals_collect(struct report *report, struct unwinder *unwinder,
                             const struct dump_options *options, const struct snapshot_options *how)
{
    unwinder_keep_registers(unwinder, true);
    struct error *error = collect(report, unwinder, options, how);
    unwinder_keep_registers(unwinder, false);
    return error;
}
