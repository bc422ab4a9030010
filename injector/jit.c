#include "injector/jit.h"

#include "injector/code_name.h"
#include "injector/gdb_jit.h"

#include <stdlib.h>

struct jit {
    const struct process *process;
    struct modules *modules;
    bool map_sought;
    struct perf_map *map; /* NULL: none */
    bool list_sought;
    struct gdb_jit *list; /* NULL: none */
};

struct jit *jit_create(const struct process *process, struct modules *modules)
{
    struct jit *jit = calloc(1, sizeof(*jit));
    if (jit)
        *jit = (struct jit){.process = process, .modules = modules};
    return jit;
}

void jit_destroy(struct jit *jit)
{
    if (!jit)
        return;
    perf_map_close(jit->map);
    gdb_jit_close(jit->list);
    free(jit);
}

void jit_forget(struct jit *jit)
{
    gdb_jit_close(jit->list);
    jit->list = NULL;
    jit->list_sought = false;
    if (jit->map && !perf_map_is_stale(jit->map, jit->process))
        return;
    perf_map_close(jit->map);
    jit->map = NULL;
    jit->map_sought = false;
}

static const struct perf_map *get_map(struct jit *jit)
{
    if (!jit->map_sought) {
        jit->map_sought = true;
        jit->map = perf_map_open(jit->process);
    }
    return jit->map;
}

/* To find it takes the symbols of all modules: only worth it for an address in none of them. */
static const struct gdb_jit *get_list(struct jit *jit, uint64_t address)
{
    if (modules_find(jit->modules, address))
        return NULL;
    if (!jit->list_sought) {
        jit->list_sought = true;
        jit->list = gdb_jit_open(jit->process, jit->modules);
    }
    return jit->list;
}

static bool find_registered(struct jit *jit, uint64_t address, struct jit_name *ret)
{
    const struct perf_map *map = get_map(jit);
    if (map && perf_map_find(map, address, ret))
        return true;
    const struct gdb_jit *list = get_list(jit, address);
    struct symbol symbol;
    if (!list || !gdb_jit_find_symbol(list, address, &symbol))
        return false;
    *ret = (struct jit_name){.name = symbol.name, .start = symbol.address, .size = symbol.size};
    return true;
}

bool jit_find_name(struct jit *jit, uint64_t address, struct jit_name *ret)
{
    struct code_name name;
    if (code_name_recall(jit->process, address, &name)) {
        *ret = (struct jit_name){.name = name.name, .start = name.start, .size = name.size};
        return true;
    }
    if (!find_registered(jit, address, ret))
        return false;
    name = (struct code_name){.name = ret->name, .start = ret->start, .size = ret->size};
    code_name_keep(jit->process, address, &name);
    return true;
}

bool jit_find_cfi(struct jit *jit, uint64_t pc, struct cfi_entry *ret)
{
    const struct gdb_jit *list = get_list(jit, pc);
    return list && gdb_jit_find_cfi(list, pc, ret);
}
