/*
 * From an address to what the source calls it: function (demangled), file:line, inlined frames.
 * Function names come from the module's symbol index; lines and inlines from libdw over the
 * module's debug file. Nothing is taken from a file whose build-id is not the one in memory.
 */
#ifndef SRC_SYMBOLS_H
#define SRC_SYMBOLS_H

#include "injector/error.h"
#include "injector/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct location {
    struct module *module; /* NULL: no file is mapped there */
    const char *function;  /* demangled unless raw; NULL: no name that is true */
    uint64_t offset;       /* pc - start of function, bytes; of an inlined frame 0 */
    const char *file;      /* path as the compiler recorded it, or NULL */
    int line;              /* 0: unknown */
    int column;            /* 0: unknown */
    bool inlined;          /* this function was inlined into the next location's */
    bool jit;              /* the name is the one a runtime registered for code it made */
};

struct symbols;
struct lines;

struct symbols_options {
    bool raw_names;
    bool no_source; /* no file:line */
    bool no_inlines;
};

struct error *symbols_create(struct modules *modules, const struct symbols_options *options,
                             struct symbols **ret) MUST_CHECK;
void symbols_destroy(struct symbols *symbols);

/*
 * Begins another look at the same modules: what is known of code in them stays, but other code may
 * have changed.
 */
void symbols_begin_look(struct symbols *symbols);

/*
 * The locations of a code address, innermost inlined function first, the physical function last: at
 * least one. `lookup_pc` is pc, or pc - 1 for a return address; `pc` gives the offset. Strings and
 * the array belong to `symbols` and stay until it is destroyed; equal addresses are resolved once.
 */
const struct location *symbols_resolve(struct symbols *symbols, uint64_t pc, uint64_t lookup_pc,
                                       size_t *count);

/* A demangled C++ or Rust name, or `raw` itself; owned by `symbols`. */
const char *symbols_demangle(struct symbols *symbols, const char *raw);

/* The debug information of a module, opened when first wanted; owned by `symbols`. NULL: none. */
struct lines *symbols_lines(struct symbols *symbols, struct module *module);

/* "symbol+0x10 (module)" of any address, code or data, into buffer; false when nothing is known. */
bool symbols_describe(struct symbols *symbols, uint64_t address, char *buffer, size_t size);

#endif
