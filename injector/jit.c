#include "injector/jit.h"

#include <stdlib.h>

struct jit {
    const struct process *process;
    bool map_sought;
    struct perf_map *map; /* NULL: none */
};

struct jit *jit_create(const struct process *process)
{
    struct jit *jit = calloc(1, sizeof(*jit));
    if (jit)
        jit->process = process;
    return jit;
}

void jit_destroy(struct jit *jit)
{
    if (!jit)
        return;
    perf_map_close(jit->map);
    free(jit);
}

void jit_forget(struct jit *jit)
{
    if (jit->map && !perf_map_is_stale(jit->map, jit->process))
        return;
    perf_map_close(jit->map);
    jit->map = NULL;
    jit->map_sought = false;
}

bool jit_find_name(struct jit *jit, uint64_t address, struct jit_name *ret)
{
    if (!jit->map_sought) {
        jit->map_sought = true;
        jit->map = perf_map_open(jit->process);
    }
    return jit->map && perf_map_find(jit->map, address, ret);
}
