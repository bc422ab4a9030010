#include "injector/python_memory.h"

#include "injector/pages.h"

#include <stdlib.h>

struct python_live {
    const struct process *process;
    struct page_table *pages;
};

struct python_live *python_live_create(const struct process *process)
{
    struct python_live *live = calloc(1, sizeof(*live));
    if (live)
        live->pages = page_table_create();
    if (!live || !live->pages) {
        free(live);
        return NULL;
    }
    live->process = process;
    return live;
}

void python_live_destroy(struct python_live *live)
{
    if (!live)
        return;
    page_table_destroy(live->pages);
    free(live);
}

static bool read_live(void *context, uint64_t address, void *buffer, size_t size)
{
    struct python_live *live = context;
    /* Of a saved target no whole pages are there. */
    if (live->process->saved)
        return remote_peek(live->process, address, buffer, size) == size;
    if (!page_table_read(live->pages, live->process, address, buffer, size))
        return false;
    remote_keep(live->process, address, buffer, size);
    return true;
}

struct python_memory python_live_memory(struct python_live *live)
{
    return (struct python_memory){.read = read_live, .context = live};
}
