#include "src/symbol_names.h"

#include "injector/maps.h"
#include "injector/module.h"

#include <stdlib.h>
#include <string.h>

struct symbol_names {
    const struct process *process;
    bool indexed;
    struct maps *maps;
    struct modules *modules;
    struct named_symbol *symbols; /* ascending by name, then address; names owned by the modules */
    size_t count, capacity;
};

struct collecting {
    struct symbol_names *names;
    const char *module;
};

struct symbol_names *symbol_names_create(const struct process *process)
{
    struct symbol_names *names = calloc(1, sizeof(*names));
    if (names)
        names->process = process;
    return names;
}

void symbol_names_destroy(struct symbol_names *names)
{
    if (!names)
        return;
    free(names->symbols);
    modules_destroy(names->modules);
    maps_destroy(names->maps);
    free(names);
}

static bool collect(const struct symbol *symbol, void *context)
{
    struct collecting *collecting = context;
    struct symbol_names *names = collecting->names;
    if (!symbol->name || !*symbol->name)
        return true;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 4096;
        struct named_symbol *larger = reallocarray(names->symbols, capacity, sizeof(*larger));
        if (!larger)
            return false;
        names->symbols = larger;
        names->capacity = capacity;
    }
    names->symbols[names->count++] = (struct named_symbol){
        .name = symbol->name,
        .address = symbol->address,
        .size = symbol->size,
        .module = collecting->module,
    };
    return true;
}

static int compare_symbols(const void *left, const void *right)
{
    const struct named_symbol *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->address > b->address) - (a->address < b->address);
}

/* A symbol often stands in two tables. */
static void drop_repeated(struct symbol_names *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++)
        if (!kept || compare_symbols(&names->symbols[kept - 1], &names->symbols[i]) != 0)
            names->symbols[kept++] = names->symbols[i];
    names->count = kept;
}

/* Once: what the target loads later is not known here. */
static void read_symbols(struct symbol_names *names)
{
    if (names->indexed || !names->process)
        return;
    names->indexed = true;
    CLEANUP_ERROR struct error *error = maps_read(names->process, &names->maps);
    if (!error)
        error = modules_create(names->process, names->maps, &names->modules);
    if (error)
        return;
    for (size_t i = 0; i < names->modules->count; i++) {
        struct module *module = modules_find(names->modules, names->modules->modules[i]->start);
        if (!module)
            continue;
        struct collecting collecting = {.names = names, .module = module->path};
        module_each_symbol(module, collect, &collecting);
    }
    if (names->count)
        qsort(names->symbols, names->count, sizeof(*names->symbols), compare_symbols);
    drop_repeated(names);
}

size_t symbol_names_begin_with(struct symbol_names *names, const char *prefix,
                               const struct named_symbol **ret)
{
    if (!names)
        return 0;
    read_symbols(names);
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->symbols[middle].name, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t length = strlen(prefix), end = low;
    while (end < names->count && strncmp(names->symbols[end].name, prefix, length) == 0)
        end++;
    *ret = names->symbols + low;
    return end - low;
}

size_t symbol_names_find(struct symbol_names *names, const char *name,
                         const struct named_symbol **ret)
{
    /* The name itself stands before all longer ones that begin with it. */
    size_t count = symbol_names_begin_with(names, name, ret), same = 0;
    while (same < count && strcmp((*ret)[same].name, name) == 0)
        same++;
    return same;
}
