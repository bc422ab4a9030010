#include "injector/goroutines.h"

#include "injector/cleanup.h"
#include "injector/go_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Goroutines read at once, and what of each stack is copied, bytes. */
#define BATCH 64
#define STACK_MAX (256 * 1024)
/* How often one that moved is looked at again. */
#define TRIES 3

struct reader {
    struct snapshot *snapshot;
    struct unwinder *unwinder;
    struct go_runtime *runtime;
    size_t max_frames;
    struct goroutines *result;
    size_t capacity;
};

/* One goroutine being read. */
struct reading {
    struct go_g before, after;
    struct memory_slice stack;
    bool done;
};

static bool is_shown(const struct go_g *g)
{
    return g->status == GO_WAITING || g->status == GO_SYSCALL || g->status == GO_PREEMPTED;
}

static const char *state_of(struct reader *reader, const struct go_g *g, char *buffer, size_t size)
{
    if (g->status == GO_SYSCALL)
        return "syscall";
    if (g->status == GO_PREEMPTED)
        return "preempted";
    return go_runtime_wait_reason(reader->runtime, g, buffer, size) ? buffer : "waiting";
}

/* The live part of its stack: from the stack pointer up. */
static void set_stack_range(struct reading *reading, struct remote_range *range)
{
    const struct go_g *g = &reading->before;
    *range = (struct remote_range){0};
    if (!is_shown(g) || g->sp < g->stack_low || g->sp >= g->stack_high)
        return;
    size_t size = g->stack_high - g->sp < STACK_MAX ? g->stack_high - g->sp : STACK_MAX;
    reading->stack = (struct memory_slice){.start = g->sp, .bytes = malloc(size)};
    if (reading->stack.bytes)
        *range = (struct remote_range){g->sp, reading->stack.bytes, size, 0};
}

static void drop_stack(struct reading *reading)
{
    free(reading->stack.bytes);
    reading->stack = (struct memory_slice){0};
}

/* Goroutine, stack, goroutine: of all in the batch that are not done. */
static void read_batch(struct reader *reader, const uint64_t *addresses, size_t count,
                       struct reading *readings)
{
    const struct process *process = reader->snapshot->process;
    struct remote_range ranges[BATCH];
    for (size_t i = 0; i < count; i++)
        if (!readings[i].done)
            drop_stack(&readings[i]);
    go_runtime_read(reader->runtime, addresses, count, &readings[0].before, sizeof(readings[0]));
    for (size_t i = 0; i < count; i++)
        set_stack_range(&readings[i], &ranges[i]);
    remote_read_ranges(process, ranges, count);
    for (size_t i = 0; i < count; i++)
        readings[i].stack.size = ranges[i].got;
    go_runtime_read(reader->runtime, addresses, count, &readings[0].after, sizeof(readings[0]));
}

static bool stood_still(const struct reading *reading)
{
    return !memcmp(&reading->before, &reading->after, sizeof(reading->before));
}

static struct goroutine *append(struct reader *reader)
{
    struct goroutines *result = reader->result;
    if (result->count == reader->capacity) {
        size_t capacity = reader->capacity ? reader->capacity * 2 : 64;
        struct goroutine *items = reallocarray(result->items, capacity, sizeof(*items));
        if (!items)
            return NULL;
        result->items = items;
        reader->capacity = capacity;
    }
    struct goroutine *goroutine = &result->items[result->count++];
    *goroutine = (struct goroutine){0};
    return goroutine;
}

static struct error *unwind(struct reader *reader, const struct reading *reading,
                            struct goroutine *goroutine)
{
    struct thread_snapshot parked = {
        .state = 'S',
        .how = THREAD_RACY, /* no thread: what lies beyond the copy is read live */
        .stack = reading->stack,
    };
    register_set(&parked.registers, arch_pc, reading->before.pc);
    register_set(&parked.registers, arch_sp, reading->before.sp);
    return unwind_parked(reader->unwinder, &parked, reader->max_frames, &goroutine->stack);
}

static struct error *take(struct reader *reader, const struct reading *reading)
{
    const struct go_g *g = &reading->after;
    if (g->status == GO_DEAD || g->status == GO_IDLE || g->status == GO_UNREADABLE)
        return NULL;
    bool moved = !stood_still(reading);
    if (!is_shown(g) && !moved) {
        reader->result->running++;
        return NULL;
    }
    struct goroutine *goroutine = append(reader);
    if (!goroutine)
        return error_no_memory();
    char reason[sizeof(goroutine->state)];
    goroutine->id = g->id;
    goroutine->moved = moved;
    snprintf(goroutine->state, sizeof(goroutine->state), "%s",
             moved ? "running" : state_of(reader, g, reason, sizeof(reason)));
    if (moved)
        return NULL;
    goroutine->tid = g->status == GO_SYSCALL ? go_runtime_thread(reader->runtime, g) : 0;
    return unwind(reader, reading, goroutine);
}

static bool all_done(struct reading *readings, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        readings[i].done = stood_still(&readings[i]);
        all = all && readings[i].done;
    }
    return all;
}

static struct error *take_batch(struct reader *reader, const uint64_t *addresses, size_t count)
{
    CLEANUP_FREE struct reading *readings = calloc(BATCH, sizeof(*readings));
    if (!readings)
        return error_no_memory();
    struct error *error = NULL;
    for (unsigned try = 0; try < TRIES; try++) {
        read_batch(reader, addresses, count, readings);
        if (all_done(readings, count))
            break;
    }
    for (size_t i = 0; i < count && !error; i++)
        error = take(reader, &readings[i]);
    for (size_t i = 0; i < count; i++)
        drop_stack(&readings[i]);
    return error;
}

static int compare_ids(const void *left, const void *right)
{
    const struct goroutine *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static struct error *read_all(struct reader *reader)
{
    CLEANUP_FREE uint64_t *addresses = NULL;
    size_t count = 0;
    struct goroutines *result = reader->result;
    struct error *error = go_runtime_goroutines(reader->runtime, GOROUTINES_MAX, &addresses, &count,
                                                &result->not_read);
    for (size_t i = 0; i < count && !error; i += BATCH)
        error = take_batch(reader, addresses + i, count - i < BATCH ? count - i : BATCH);
    if (!error && result->count)
        qsort(result->items, result->count, sizeof(*result->items), compare_ids);
    return error;
}

struct error *goroutines_read(struct snapshot *snapshot, struct modules *modules,
                              struct unwinder *unwinder, size_t max_frames, struct goroutines **ret)
{
    *ret = NULL;
    struct module *module = modules_known_go(modules);
    if (!module)
        return NULL;
    struct goroutines *result = calloc(1, sizeof(*result));
    if (!result)
        return error_no_memory();
    struct reader reader = {
        .snapshot = snapshot, .unwinder = unwinder, .max_frames = max_frames, .result = result};
    struct error *error = go_runtime_open(snapshot, module, &reader.runtime);
    if (!error && reader.runtime)
        error = read_all(&reader);
    else if (!error)
        result->problem = "the runtime of this Go version does not keep them where we know to look";
    go_runtime_close(reader.runtime);
    if (error) {
        goroutines_destroy(result);
        return error;
    }
    *ret = result;
    return NULL;
}

void goroutines_destroy(struct goroutines *goroutines)
{
    if (!goroutines)
        return;
    for (size_t i = 0; i < goroutines->count; i++)
        stack_deinit(&goroutines->items[i].stack);
    free(goroutines->items);
    free(goroutines);
}
