#include "injector/python_memory.h"

#include "injector/pages.h"

#include <stdlib.h>
#include <string.h>

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

static bool read_pages(struct python_live *live, uint64_t address, uint8_t *buffer, size_t size)
{
    while (size) {
        size_t offset = address % PAGE_CACHE_BYTES, part = PAGE_CACHE_BYTES - offset;
        const struct page *page = page_table_get(live->pages, live->process, address);
        if (part > size)
            part = size;
        if (!page || page->size < offset + part)
            return false;
        memcpy(buffer, page->bytes + offset, part);
        address += part;
        buffer += part;
        size -= part;
    }
    return true;
}

static bool read_live(void *context, uint64_t address, void *buffer, size_t size)
{
    struct python_live *live = context;
    /* Of a saved target no whole pages are there. */
    if (live->process->saved)
        return remote_peek(live->process, address, buffer, size) == size;
    if (!read_pages(live, address, buffer, size))
        return false;
    remote_keep(live->process, address, buffer, size);
    return true;
}

struct python_memory python_live_memory(struct python_live *live)
{
    return (struct python_memory){read_live, live};
}
