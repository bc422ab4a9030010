/* A file of --save that somebody made up, and with it the whole target: what the injector finds in
   it. */
#include "injector/code_name.h"
#include "injector/goroutines.h"
#include "injector/linkmap.h"
#include "injector/python.h"
#include "injector/unwind.h"
#include "tests/fuzz/saved.h"

#define FRAMES_MAX 64
#define THREADS_MAX 8

static void name_frames(struct modules *modules, const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        struct symbol symbol;
        struct module *module = modules_find(modules, frame_lookup_pc(&stack->frames[i]));
        if (module)
            module_symbol(module, frame_lookup_pc(&stack->frames[i]), &symbol);
    }
}

static void unwind_threads(struct snapshot *snapshot, struct modules *modules,
                           struct unwinder *unwinder)
{
    for (size_t i = 0; i < snapshot->thread_count && i < THREADS_MAX; i++) {
        struct stack stack = {0};
        error_destroy(
            unwind_thread(unwinder, &snapshot->threads[i], UNWIND_ALL_RULES, FRAMES_MAX, &stack));
        name_frames(modules, &stack);
        stack_deinit(&stack);
    }
}

static void read_goroutines(struct snapshot *snapshot, struct modules *modules,
                            struct unwinder *unwinder)
{
    struct goroutines *goroutines = NULL;
    error_destroy(goroutines_read(snapshot, modules, unwinder, FRAMES_MAX, &goroutines));
    goroutines_destroy(goroutines);
}

static void read_python_threads(const struct python *python, const struct python_memory *memory,
                                const struct snapshot *snapshot)
{
    struct python_threads *threads = NULL;
    error_destroy(python_threads_read(python, memory, &snapshot->threads[0].tid, 1, &threads));
    for (size_t i = 0; threads && i < threads->count && i < THREADS_MAX; i++) {
        struct python_stack stack = {0};
        python_gil_holder(python, memory, threads, &threads->items[i]);
        python_thread_native(python, memory, &threads->items[i]);
        error_destroy(python_stack_read(python, memory, &threads->items[i], FRAMES_MAX, &stack));
        python_stack_deinit(&stack);
    }
    python_threads_destroy(threads);
}

static void read_python(const struct snapshot *snapshot, struct modules *modules)
{
    struct python *python = NULL;
    struct python_live *live = python_live_create(snapshot->process);
    error_destroy(python_find(modules, &python));
    const struct python_memory memory = python_live_memory(live);
    if (python && !*python->problem)
        read_python_threads(python, &memory, snapshot);
    python_destroy(python);
    python_live_destroy(live);
}

static void read_linkmap(const struct snapshot *snapshot)
{
    struct linkmap *linkmap = NULL;
    struct export function;
    error_destroy(linkmap_read(snapshot->process, snapshot->maps, &linkmap));
    if (linkmap)
        linkmap_function(linkmap, "malloc", &function);
    linkmap_destroy(linkmap);
}

static void look(struct process *process)
{
    const struct snapshot_options how = {0};
    struct snapshot *snapshot = NULL;
    struct modules *modules = NULL;
    struct unwinder *unwinder = NULL;
    error_destroy(snapshot_take(process, &how, &snapshot));
    if (!snapshot)
        return;
    error_destroy(modules_create(process, snapshot->maps, &modules));
    if (modules)
        error_destroy(unwinder_create(snapshot, modules, &unwinder));
    if (unwinder) {
        unwind_threads(snapshot, modules, unwinder);
        read_goroutines(snapshot, modules, unwinder);
        read_python(snapshot, modules);
        read_linkmap(snapshot);
    }
    unwinder_destroy(unwinder);
    modules_destroy(modules);
    snapshot_destroy(snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process *process = saved_open(data, size);
    if (process)
        look(process);
    process_close(process);
    return 0;
}
