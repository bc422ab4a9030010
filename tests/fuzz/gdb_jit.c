/* The list of files that a target says a runtime made: the bytes are its memory. */
#include "injector/gdb_jit.c"
#include "tests/fuzz/fuzz.h"

#define MEMORY_AT 0x1000 /* the descriptor is there */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process process;
    fuzz_process_init(&process);
    recording_add_memory(process.recording, MEMORY_AT, data, size);
    struct gdb_jit *jit = calloc(1, sizeof(*jit));
    if (!jit)
        abort();
    jit->process = &process;
    read_list(jit, MEMORY_AT);
    for (uint64_t at = 0; at < 0x4000; at += 0x111) {
        struct symbol symbol;
        struct cfi_entry entry;
        if (gdb_jit_find_symbol(jit, at, &symbol) && strlen(symbol.name) > size)
            abort();
        if (gdb_jit_find_cfi(jit, at, &entry) &&
            (entry.address < entry.region.start || entry.address >= entry.region.end))
            abort();
    }
    gdb_jit_close(jit);
    fuzz_process_deinit(&process);
    return 0;
}
