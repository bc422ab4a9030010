/* What a Go program keeps of its goroutines, made up: the bytes are its memory. */
#include "injector/go_runtime.c"
#include "tests/fuzz/module.h"

#define MEMORY_AT 0x1000 /* where the list of goroutines is, then the texts of waiting */
#define REASONS_AT 0x1018
#define GOROUTINES_SHOWN 64

static size_t look_at(struct go_runtime *runtime, const uint64_t *addresses, size_t count)
{
    struct go_g goroutines[GOROUTINES_SHOWN];
    char reason[48];
    size_t length = 0;
    go_runtime_read(runtime, addresses, count, goroutines, sizeof(goroutines[0]));
    for (size_t i = 0; i < count; i++) {
        go_runtime_thread(runtime, &goroutines[i]);
        if (go_runtime_wait_reason(runtime, &goroutines[i], reason, sizeof(reason)))
            length += strlen(reason);
    }
    return length;
}

static void read_list(struct go_runtime *runtime)
{
    uint64_t slice[3], *addresses = NULL;
    size_t count, rest;
    if (read_words(runtime->process, runtime->all, slice, 3))
        runtime->layout = find_layout(runtime->process, slice);
    if (!runtime->layout)
        return;
    error_destroy(go_runtime_goroutines(runtime, GOROUTINES_SHOWN, &addresses, &count, &rest));
    if (addresses)
        look_at(runtime, addresses, count);
    free(addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process process;
    struct module_private priv = {.opened = true, .go_sought = true};
    struct module module = {.path = (char *)"/fuzz", .fd = -1, .priv = &priv};
    struct thread_snapshot thread = {.tid = 1};
    struct snapshot snapshot = {.process = &process, .threads = &thread, .thread_count = 1};
    struct go_runtime runtime = {.snapshot = &snapshot,
                                 .process = &process,
                                 .module = &module,
                                 .all = MEMORY_AT,
                                 .reasons = REASONS_AT};
    fuzz_process_init(&process);
    priv.process = &process;
    recording_add_memory(process.recording, MEMORY_AT, data, size);
    read_list(&runtime);
    fuzz_process_deinit(&process);
    return 0;
}
