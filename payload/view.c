#include "payload/view.h"

#include "payload/memory.h"

#include <string.h>

struct view_page {
    uintptr_t start; /* 0: none is kept here (nothing is ever read at address 0) */
    unsigned char bytes[MEMORY_PAGE];
};

bool view_init(struct view *view, size_t pages)
{
    *view = (struct view){memory_map(pages * sizeof(struct view_page)), pages};
    return view->pages != NULL;
}

void view_deinit(struct view *view)
{
    memory_unmap(view->pages, view->count * sizeof(struct view_page));
    *view = (struct view){0};
}

void view_forget(struct view *view)
{
    for (size_t i = 0; i < view->count; i++)
        view->pages[i].start = 0;
}

static const struct view_page *page_at(struct view *view, uintptr_t start)
{
    struct view_page *page = &view->pages[start / MEMORY_PAGE & (view->count - 1)];
    if (page->start == start && start)
        return page;
    page->start = 0;
    if (memory_read(start, page->bytes, MEMORY_PAGE) != MEMORY_PAGE)
        return NULL;
    page->start = start;
    return page;
}

bool view_read(struct view *view, uintptr_t address, void *to, size_t size)
{
    char *position = to;
    if (address + size < address)
        return false;
    while (size) {
        size_t offset = address % MEMORY_PAGE;
        size_t piece = MEMORY_PAGE - offset < size ? MEMORY_PAGE - offset : size;
        const struct view_page *page = page_at(view, address - offset);
        if (!page)
            return false;
        memcpy(position, page->bytes + offset, piece);
        position += piece;
        address += piece;
        size -= piece;
    }
    return true;
}
