/*
 * Looks at the program's memory that are kept for a while, page by page: for tables that are read
 * here and there, again and again. As memory_read, they fail, they never fault.
 */
#ifndef PAYLOAD_VIEW_H
#define PAYLOAD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view {
    struct view_page *pages;
    size_t count;
};

/* Keeps at most `pages` pages (a power of 2) of 4096 bytes. False: no memory. */
bool view_init(struct view *view, size_t pages);
void view_deinit(struct view *view);
/* What is read from now on is read anew. */
void view_forget(struct view *view);

/* False when not all of it can be read; `to` is then not to be used. */
bool view_read(struct view *view, uintptr_t address, void *to, size_t size);

#endif
