#include "src/layout.h"

#include <stdlib.h>

/* Takes over the maps. */
static struct error *fill(struct layout *layout, const struct process *process, struct maps *maps,
                          const struct symbols_options *names)
{
    layout->maps = maps;
    struct error *error = modules_create(process, layout->maps, &layout->modules);
    if (!error)
        error = symbols_create(layout->modules, names, &layout->symbols);
    if (!error)
        error = python_find(layout->modules, &layout->python);
    return error;
}

static struct error *create(const struct process *process, struct maps *maps,
                            const struct symbols_options *names, struct layout **ret)
{
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout) {
        maps_destroy(maps);
        return error_no_memory();
    }
    struct error *error = fill(layout, process, maps, names);
    if (error) {
        layout_release(layout);
        return error;
    }
    *ret = layout;
    return NULL;
}

struct error *layout_prepare(const struct process *process, const struct symbols_options *names,
                             struct layout **ret)
{
    struct maps *maps;
    struct error *error = maps_read(process, &maps);
    return error ? error : create(process, maps, names, ret);
}

bool layout_is_sure(const struct layout *layout)
{
    for (size_t i = 0; i < layout->modules->count; i++) {
        if (layout->modules->modules[i]->file_state == FILE_CHANGED)
            return false;
    }
    return true;
}

/* Has the unwinder work on that snapshot. */
static struct error *use(struct layout *layout, struct snapshot *snapshot)
{
    if (!layout->unwinder)
        return unwinder_create(snapshot, layout->modules, &layout->unwinder);
    unwinder_use(layout->unwinder, snapshot);
    symbols_begin_look(layout->symbols);
    return NULL;
}

struct error *layout_get(struct layout *before, struct snapshot *snapshot,
                         const struct symbols_options *names, struct layout **ret)
{
    struct layout *layout = NULL;
    struct error *error = NULL;
    if (before && layout_is_sure(before) && maps_same_code(before->maps, snapshot->maps)) {
        layout = before;
        layout->shares++;
    } else {
        error = create(snapshot->process, maps_share(snapshot->maps), names, &layout);
    }
    if (!error)
        error = use(layout, snapshot);
    if (error) {
        layout_release(layout);
        return error;
    }
    *ret = layout;
    return NULL;
}

void layout_release(struct layout *layout)
{
    if (!layout || layout->shares-- > 0)
        return;
    python_destroy(layout->python);
    if (layout->symbols)
        symbols_destroy(layout->symbols);
    if (layout->unwinder)
        unwinder_destroy(layout->unwinder);
    if (layout->modules)
        modules_destroy(layout->modules);
    maps_destroy(layout->maps);
    free(layout);
}
