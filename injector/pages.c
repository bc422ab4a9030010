#include "injector/pages.h"

#include <stdlib.h>
#include <string.h>
/* Without memory the entry is not added, instead of exit() inside a library. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Beyond this many pages (64 MiB) nothing more is kept: a lost stack may lead anywhere. */
#define PAGES_MAX 16384

struct entry {
    struct page page;
    UT_hash_handle hh;
};

struct page_table {
    struct entry *entries;
    struct entry overflow;
};

struct page_table *page_table_create(void)
{
    return calloc(1, sizeof(struct page_table));
}

void page_table_destroy(struct page_table *table)
{
    if (!table)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, table->entries, entry, next)
    {
        HASH_DEL(table->entries, entry);
        free(entry);
    }
    free(table);
}

struct page *page_table_get(struct page_table *table, const struct process *process,
                            uint64_t address)
{
    address -= address % PAGE_CACHE_BYTES;
    struct entry *entry;
    HASH_FIND(hh, table->entries, &address, sizeof(address), entry);
    if (entry) {
        entry->page.fresh = false;
        return &entry->page;
    }

    bool keep = HASH_COUNT(table->entries) < PAGES_MAX;
    entry = keep ? malloc(sizeof(*entry)) : &table->overflow;
    if (!entry)
        return NULL;
    entry->page.address = address;
    entry->page.fresh = true;
    entry->page.live = false;
    entry->page.reader = 0;
    entry->page.size = remote_peek(process, address, entry->page.bytes, PAGE_CACHE_BYTES);
    if (!keep)
        return &entry->page;
    HASH_ADD(hh, table->entries, page.address, sizeof(entry->page.address), entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    return &entry->page;
}

bool page_table_read(struct page_table *table, const struct process *process, uint64_t address,
                     void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t offset = (address + done) % PAGE_CACHE_BYTES, part = PAGE_CACHE_BYTES - offset;
        const struct page *page = page_table_get(table, process, address + done);
        if (part > size - done)
            part = size - done;
        if (!page || page->size < offset + part)
            return false;
        memcpy((char *)buffer + done, page->bytes + offset, part);
        done += part;
    }
    return true;
}
