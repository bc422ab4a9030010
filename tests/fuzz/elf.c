/* An ELF file that the target has mapped: headers, notes, symbols, hash tables, unwind tables. */
#include "injector/cfi.h"
#include "injector/dynamic.h"
#include "injector/symbol_index.h"
#include "tests/fuzz/module.h"

/* The addresses that are asked for. */
#define ASKED_END 0x4000
#define ASKED_STEP 0x111

static bool count_symbol(const struct symbol *symbol, void *context)
{
    *(size_t *)context += strlen(symbol->name);
    return true;
}

static void ask_for_names(struct module *module)
{
    struct symbol symbol;
    struct symbol_tables tables;
    size_t length = 0;
    module_each_symbol(module, count_symbol, &length);
    module_symbol_address(module, "main", &symbol);
    module_export(module, "malloc", NULL);
    for (uint64_t at = 0; at < ASKED_END; at += ASKED_STEP)
        if (module_symbol(module, FUZZ_BIAS + at, &symbol))
            length += strlen(symbol.name);
    dynamic_read(module, &module->priv->elf, &tables);
    dynamic_symbol_count(&module->priv->elf, &tables);
}

/* The bytes of an entry are within its region, whatever the tables say. */
static void ask_for_entries(struct module *module)
{
    struct cfi_entry entry;
    struct cfi_region region;
    for (uint64_t at = 0; at < ASKED_END; at += ASKED_STEP)
        if (cfi_find(module, FUZZ_BIAS + at, true, &entry) &&
            (entry.address < entry.region.start || entry.address >= entry.region.end))
            abort();
    cfi_synthetic_region(module, &region);
}

static void ask_for_the_rest(struct module *module)
{
    uint8_t bytes[64];
    uint64_t low, high;
    const char *path;
    elf_image_extent(&module->priv->elf, &low, &high);
    module_entry(module);
    module_code_at(module, module_entry(module), bytes, sizeof(bytes));
    module_debug_file(module, &path);
    module_go_table(module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process process;
    fuzz_process_init(&process);
    struct modules *modules = fuzz_modules(&process, fuzz_bytes(data, size), size);
    if (modules) {
        ask_for_names(modules->modules[0]);
        ask_for_entries(modules->modules[0]);
        ask_for_the_rest(modules->modules[0]);
        modules_destroy(modules);
    }
    fuzz_process_deinit(&process);
    return 0;
}
