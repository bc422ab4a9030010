#include "src/python_locals.h"

#include "injector/python_locals.h"
#include "injector/recording.h"
#include "src/python_values.h"

#include <stdlib.h>
#include <string.h>

/* Variables of one frame that are shown. */
#define VARIABLES_MAX 1000
/* Of one thread: objects that are looked at, and empty places in containers that are passed. */
#define OBJECTS_MAX 20000
#define PLACES_MAX 200000

static const char *word_for_missing(const struct python_locals_source *source)
{
    if (source->process->saved)
        return "<not saved>";
    return source->is_copy ? "<not copied>" : "<unreadable>";
}

static struct python_reading begin_reading(const struct python *python,
                                           const struct python_locals_source *source,
                                           const struct python_memory *memory)
{
    return (struct python_reading){.python = python,
                                   .memory = memory,
                                   .unreadable = source ? word_for_missing(source) : "",
                                   .objects_left = OBJECTS_MAX,
                                   .places_left = PLACES_MAX};
}

/* The variables of one frame. */
struct walk {
    struct python_reading *reading;
    struct python_memory memory;
    struct python_locals locals;
    size_t count;
    bool is_cut; /* at its end: there are more, or may be */
};

static bool begin(struct walk *walk, struct python_reading *reading, uint64_t frame, uint64_t code)
{
    *walk = (struct walk){.reading = reading, .memory = python_value_memory(reading)};
    python_value_begin(reading);
    return python_locals_begin(reading->python, &walk->memory, frame, code, &walk->locals);
}

static void write_value(struct walk *walk, const struct python_local *local,
                        struct python_value *value)
{
    value->type[0] = '\0';
    if (!local->is_readable)
        strcpy(value->text, python_value_problem(walk->reading));
    else if (!local->object)
        strcpy(value->text, "<unbound>");
    else
        python_value_write(walk->reading, local->object, value);
    /* What other threads change makes no sense where it was read half before, half after. */
    bool is_shared = walk->reading->shared || local->is_shared;
    walk->reading->any_shared |= is_shared;
    walk->reading->changed |= is_shared && walk->reading->damaged;
}

/* False: there are no more. */
static bool next(struct walk *walk, struct python_local *local, struct python_value *value)
{
    python_value_begin(walk->reading);
    enum python_step step = python_locals_next(&walk->locals, local);
    bool is_one = step == PYTHON_STEP_ITEM;
    walk->is_cut = (is_one && (walk->count == VARIABLES_MAX || !walk->reading->objects_left)) ||
                   (!is_one && step != PYTHON_STEP_END);
    if (!is_one || walk->is_cut)
        return false;
    walk->count++;
    write_value(walk, local, value);
    return true;
}

/* --- What changed while it was read. --- */

#define CHANGING "<changing>"

/* A thread that woke while it was read may have been stopped and read again: that is another
   question. */
static struct question changing(const struct python_locals_source *source,
                                const struct python_frame *frame, size_t index)
{
    return (struct question){QUESTION_PYTHON_CHANGING, frame->address, 2 * index + source->is_copy,
                             NULL};
}

static struct error *replace(struct variable *variable)
{
    char *value = strdup(CHANGING);
    if (!value)
        return error_no_memory();
    free(variable->value);
    variable->value = value;
    variable->type[0] = '\0';
    return NULL;
}

static struct error *mark_changing(const struct python_locals_source *source,
                                   const struct python_frame *frame,
                                   struct frame_variables *variables, size_t index)
{
    const struct process *process = source->process;
    struct question question = changing(source, frame, index);
    if (process->recording && !process->saved)
        recording_add(process->recording, &question, 0, "", 0);
    return replace(&variables->variables[index]);
}

/* --- Kept. --- */

static struct error *append(struct frame_variables *variables, const struct python_local *local,
                            const struct python_value *value)
{
    size_t larger = (variables->count + 1) * sizeof(*variables->variables);
    struct variable *items = realloc(variables->variables, larger);
    if (!items)
        return error_no_memory();
    variables->variables = items;
    struct variable *variable = &items[variables->count++];
    *variable = (struct variable){.name = strdup(local->name),
                                  .type = strdup(value->type),
                                  .value = strdup(value->text),
                                  .argument = local->is_argument};
    return variable->name && variable->type && variable->value ? NULL : error_no_memory();
}

/* Arguments come first in Python's code, too. */
static struct error *read_frame(struct python_reading *reading,
                                const struct python_locals_source *source,
                                const struct python_frame *frame, struct frame_variables **ret)
{
    struct walk walk;
    struct python_local local;
    struct python_value value;
    struct error *error = NULL;
    struct frame_variables *variables = calloc(1, sizeof(*variables));
    if (!variables)
        return error_no_memory();
    walk.is_cut = !begin(&walk, reading, frame->address, frame->code);
    while (!error && !walk.is_cut && next(&walk, &local, &value)) {
        error = append(variables, &local, &value);
        if (!error && reading->changed)
            error = mark_changing(source, frame, variables, variables->count - 1);
    }
    variables->cut = walk.is_cut;
    if (error)
        variables_destroy(variables);
    else
        *ret = variables;
    return error;
}

/* --- Read again. --- */

/* Other threads may change what variables refer to, also while it is read. Only what is the same
   when it is read again, from memory as it is by then, is shown. */
struct again {
    const struct python_locals_source *source;
    struct python_live *live;
    struct python_memory memory;
    struct python_reading reading;
};

static struct error *begin_again(const struct python *python,
                                 const struct python_locals_source *source, struct again *ret)
{
    *ret = (struct again){.source = source, .live = python_live_create(source->process)};
    if (!ret->live)
        return error_no_memory();
    ret->memory = python_live_memory(ret->live);
    ret->reading = begin_reading(python, source, &ret->memory);
    return NULL;
}

static bool is_same(const struct variable *variable, const struct python_local *local,
                    const struct python_value *value)
{
    return strcmp(variable->name, local->name) == 0 && strcmp(variable->type, value->type) == 0 &&
           strcmp(variable->value, value->text) == 0;
}

static struct error *compare_frame(struct again *again, const struct python_frame *frame,
                                   struct frame_variables *variables)
{
    struct walk walk;
    struct python_local local;
    struct python_value value;
    struct error *error = NULL;
    bool more = begin(&walk, &again->reading, frame->address, frame->code);
    for (size_t i = 0; i < variables->count && !error; i++) {
        more = more && next(&walk, &local, &value);
        if (more && is_same(&variables->variables[i], &local, &value))
            continue;
        error = mark_changing(again->source, frame, variables, i);
    }
    return error;
}

static struct error *compare_all(const struct python *python,
                                 const struct python_locals_source *source,
                                 const struct python_stack *stack, struct frame_variables **values)
{
    struct again again;
    struct error *error = begin_again(python, source, &again);
    for (size_t i = 0; i < stack->count && !error; i++) {
        if (values[i])
            error = compare_frame(&again, &stack->frames[i], values[i]);
    }
    python_live_destroy(again.live);
    return error;
}

/* The same of a saved target: what was found where it was saved. */
static struct error *recall_changes(const struct python_locals_source *source,
                                    const struct python_frame *frame,
                                    struct frame_variables *variables)
{
    struct error *error = NULL;
    for (size_t i = 0; variables && i < variables->count && !error; i++) {
        struct answer answer;
        struct question question = changing(source, frame, i);
        if (recording_last(source->process->recording, &question, &answer))
            error = replace(&variables->variables[i]);
    }
    return error;
}

/* --- All of it. --- */

struct error *python_locals_read(const struct python *python,
                                 const struct python_locals_source *source,
                                 const struct python_stack *stack, struct frame_variables ***ret)
{
    struct python_reading reading = begin_reading(python, source, source->values);
    struct frame_variables **values = calloc(stack->count + 1, sizeof(struct frame_variables *));
    if (!values)
        return error_no_memory();
    *ret = values;
    for (size_t i = 0; i < stack->count; i++) {
        struct error *error = read_frame(&reading, source, &stack->frames[i], &values[i]);
        if (!error && source->process->saved)
            error = recall_changes(source, &stack->frames[i], values[i]);
        if (error)
            return error;
    }
    bool may_change = reading.any_shared && !source->is_copy && !source->process->saved;
    return may_change ? compare_all(python, source, stack, values) : NULL;
}

/* --- Touched. --- */

static bool touch_names(uint64_t frame, uint64_t code, void *context)
{
    struct walk walk;
    struct python_local local;
    if (begin(&walk, context, frame, code)) {
        for (size_t i = 0; i < VARIABLES_MAX; i++) {
            if (python_locals_next(&walk.locals, &local) != PYTHON_STEP_ITEM)
                break;
        }
    }
    return true;
}

static bool touch_values(uint64_t frame, uint64_t code, void *context)
{
    struct walk walk;
    struct python_local local;
    struct python_value value;
    if (begin(&walk, context, frame, code)) {
        while (next(&walk, &local, &value))
            continue;
    }
    return true;
}

void python_locals_touch(const struct python *python, const struct python_memory *memory,
                         uint64_t thread, size_t max_frames)
{
    struct python_reading reading = begin_reading(python, NULL, memory);
    /* Names first: where there is no room for all values, it is still known of which. */
    python_stack_visit(python, memory, thread, max_frames, touch_names, &reading);
    python_stack_visit(python, memory, thread, max_frames, touch_values, &reading);
}
