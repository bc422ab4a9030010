#include "src/layout.h"

#include <stdlib.h>

static struct error *fill(struct layout *layout, struct snapshot *snapshot,
                          const struct symbols_options *names)
{
    layout->maps = maps_share(snapshot->maps);
    struct error *error = modules_create(snapshot->process, layout->maps, &layout->modules);
    if (!error)
        error = unwinder_create(snapshot, layout->modules, &layout->unwinder);
    if (!error)
        error = symbols_create(layout->modules, names, &layout->symbols);
    if (!error)
        error = python_find(layout->modules, &layout->python);
    return error;
}

bool layout_is_sure(const struct layout *layout)
{
    for (size_t i = 0; i < layout->modules->count; i++) {
        if (layout->modules->modules[i]->file_state == FILE_CHANGED)
            return false;
    }
    return true;
}

struct error *layout_get(struct layout *before, struct snapshot *snapshot,
                         const struct symbols_options *names, struct layout **ret)
{
    if (before && layout_is_sure(before) && maps_same_code(before->maps, snapshot->maps)) {
        unwinder_use(before->unwinder, snapshot);
        symbols_begin_look(before->symbols);
        before->shares++;
        *ret = before;
        return NULL;
    }
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout)
        return error_no_memory();
    struct error *error = fill(layout, snapshot, names);
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
