#include "injector/stack_tables.h"

#include "injector/cfi.h"
#include "injector/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* Of a word that may be an address of code; the tables of the last one are there already. */
static struct module *load_at(struct modules *modules, uint64_t word, struct module *last)
{
    if (last && word >= last->start && word < last->end)
        return last;
    const struct mapping *mapping = maps_find(modules->maps, word);
    if (!mapping || !mapping->executable)
        return last;
    struct module *module = modules_find(modules, word);
    if (module)
        cfi_prepare(module);
    return module ? module : last;
}

void stack_tables_load(struct modules *modules, const struct registers *asleep, size_t size)
{
    CLEANUP_FREE uint8_t *stack = malloc(size);
    size_t got = stack ? remote_peek(modules->process, asleep->value[arch_sp], stack, size) : 0;
    struct module *last = load_at(modules, asleep->value[arch_pc], NULL);
    for (size_t at = 0; at + 8 <= got; at += 8) {
        uint64_t word;
        memcpy(&word, stack + at, sizeof(word));
        last = load_at(modules, word, last);
    }
}

void stack_tables_load_all(struct modules *modules)
{
    for (size_t i = 0; i < modules->count; i++)
        cfi_prepare(modules->modules[i]);
}
