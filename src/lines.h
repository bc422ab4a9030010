/*
 * The DWARF debug information of one module, by libdw: file:line and inlined functions of a code
 * address. Indexes are made once per module and per compilation unit, as programs are large and
 * threads stand at many addresses.
 */
#ifndef SRC_LINES_H
#define SRC_LINES_H

#include "injector/module.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines;

/* The debug information of a module, from the file that module_debug_file names. NULL: none. */
struct lines *lines_open(struct module *module);
void lines_close(struct lines *lines);

/* False where dwz(1) moved a part elsewhere, and that was not found. */
bool lines_are_complete(const struct lines *lines);

/*
 * Keeps for later runs what had to be decompressed (src/debug_copy.h), since that takes as long as
 * all that is done with it.
 */
void lines_keep(const struct lines *lines);

/* The debug information itself, owned by `lines`; its addresses are those in the file. */
Dwarf *lines_dwarf(struct lines *lines);

/* One function at an address. Strings belong to `lines`. */
struct source_frame {
    const char *name; /* raw: the linkage name, where there is one; NULL: unknown */
    const char *file; /* where execution stands in it; NULL: unknown */
    int line, column; /* 0: unknown */
    uint64_t start;   /* runtime address of the physical function; 0 for an inlined one */
};

/* More inlined calls in one another than any compiler makes. */
#define SOURCE_FRAMES_MAX 128

/*
 * The functions at a runtime address, innermost first, the physical one last. Returns how many; 0:
 * nothing is known. Without `inlines` there is only the last one, with the line of the innermost.
 */
size_t lines_find(struct lines *lines, uint64_t address, bool inlines,
                  struct source_frame frames[SOURCE_FRAMES_MAX]);

/*
 * The debugging entries of the functions that lines_find names, in the same order: those of inlined
 * calls, and last the physical function's. 0: not known.
 */
size_t lines_find_entries(struct lines *lines, uint64_t address, bool inlines,
                          Dwarf_Die entries[SOURCE_FRAMES_MAX]);

#endif
