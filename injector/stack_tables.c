#include "injector/stack_tables.h"

#include "injector/arch/arch.h"
#include "injector/cfi.h"
#include "injector/cleanup.h"
#include "injector/look.h"

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

static bool find_registers(const struct process *process, pid_t tid, struct thread_snapshot *ret)
{
    struct look look;
    return look_at_thread(process, tid, &look) && look.asleep && look_registers(&look, ret);
}

void stack_tables_load(struct modules *modules, pid_t tid, size_t size)
{
    struct thread_snapshot thread = {0};
    CLEANUP_FREE uint8_t *stack = malloc(size);
    if (!stack || !find_registers(modules->process, tid, &thread)) {
        for (size_t i = 0; i < modules->count; i++)
            cfi_prepare(modules->modules[i]);
        return;
    }
    struct module *last = load_at(modules, thread.registers.value[arch_pc], NULL);
    size_t got = remote_peek(modules->process, thread.registers.value[arch_sp], stack, size);
    for (size_t at = 0; at + 8 <= got; at += 8) {
        uint64_t word;
        memcpy(&word, stack + at, sizeof(word));
        last = load_at(modules, word, last);
    }
}
