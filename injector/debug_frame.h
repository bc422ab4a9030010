/*
 * .debug_frame in the form of .eh_frame, and sorted tables of what either covers. Private to cfi.c
 * and gdb_jit.c.
 */
#ifndef INJECTOR_DEBUG_FRAME_H
#define INJECTOR_DEBUG_FRAME_H

#include "injector/cfi_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfi_table_entry {
    uint64_t start, end; /* ELF vaddr of the code */
    size_t record;       /* offset of the FDE */
};

struct cfi_table {
    struct cfi_table_entry *entries;
    size_t count, capacity;
};

bool cfi_table_add(struct cfi_table *table, uint64_t start, uint64_t end, size_t record);
void cfi_table_sort(struct cfi_table *table);
/* The entry that covers an address; its record in *ret. NULL: none. */
const struct cfi_table_entry *cfi_table_find(const struct cfi_table *table, uint64_t vaddr,
                                             size_t *ret);
/* Adds all FDEs between two offsets of .eh_frame, and sorts. */
void cfi_table_scan(const struct cfi_section *section, size_t from, size_t end,
                    struct cfi_table *table);
void cfi_table_deinit(struct cfi_table *table);

struct debug_frame {
    uint8_t *bytes; /* records as in .eh_frame, code addresses with the bias added */
    size_t size, capacity;
    struct cfi_table table;
};

/*
 * Reads .debug_frame of the file, decompressed where it is compressed. One that is missing or
 * broken leaves *ret as it was, or with what could be read.
 */
void debug_frame_load(int fd, uint64_t bias, struct debug_frame *ret);
void debug_frame_deinit(struct debug_frame *frame);

#endif
