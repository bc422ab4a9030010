/*
 * The code of this process: what may be executed where, and which ELF file it comes from. From the
 * kernel's list and the files' own headers in memory, and so without the loader, its locks and its
 * lists: a thread may hang in it, and the heap that they are in may be broken.
 */
#ifndef PAYLOAD_MODULES_H
#define PAYLOAD_MODULES_H

#include "payload/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One executable mapping. */
struct module {
    uintptr_t start, end;
    const char *name;      /* base name of the file, safe for a terminal; NULL: no file */
    uintptr_t bias;        /* of its addresses, ... */
    uintptr_t first, last; /* ... and where all of the file is: of one with a readable ELF header */
    uintptr_t unwind_index; /* .eh_frame_hdr (PT_GNU_EH_FRAME); 0: none */
    uintptr_t dynamic;      /* PT_DYNAMIC; 0: none */
};

struct modules {
    struct arena arena; /* of the names */
    struct module *list;
    size_t count, capacity;
    uint64_t digest; /* of the mappings of files, in order: equal when nothing was loaded since */
};

/* Reads them. 0, or an errno; modules_deinit in any case. */
int modules_read(struct modules *modules);
void modules_deinit(struct modules *modules);

/* The mapping that an address is in, or NULL. */
const struct module *modules_find(const struct modules *modules, uintptr_t address);

/* One of the mappings of the file that an address belongs to, data too; NULL: none. */
const struct module *modules_find_file(const struct modules *modules, uintptr_t address);

/* True when what was loaded then is what is loaded now. */
bool modules_still_hold(const struct modules *modules);

#endif
