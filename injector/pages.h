/* Pages of target memory, read live when first asked for, and kept. */
#ifndef INJECTOR_PAGES_H
#define INJECTOR_PAGES_H

#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_CACHE_BYTES 4096

struct page {
    uint64_t address; /* multiple of PAGE_CACHE_BYTES */
    size_t size;      /* 0: unreadable */
    bool fresh;       /* just read: who asked has to find out whether it may be newer */
    bool live;        /* ... and the answer; what it means is the caller's business */
    pid_t reader;     /* the thread it was read for */
    uint8_t bytes[PAGE_CACHE_BYTES];
};

struct page_table;

/* NULL without memory. */
struct page_table *page_table_create(void);
void page_table_destroy(struct page_table *table);

/*
 * The page that contains an address; read now, with `fresh` set, unless it was before. NULL without
 * memory. Valid until the next call.
 */
struct page *page_table_get(struct page_table *table, const struct process *process,
                            uint64_t address);

/* Copies from pages; false: not all of it can be read, or there is no memory for it. */
bool page_table_read(struct page_table *table, const struct process *process, uint64_t address,
                     void *buffer, size_t size);

#endif
