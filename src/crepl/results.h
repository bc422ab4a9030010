/* What expressions gave: $1, $2, ..., and _ for the last one. The values are in the target, where
   later snippets find them by address; they go when the session ends. */
#ifndef SRC_CREPL_RESULTS_H
#define SRC_CREPL_RESULTS_H

#include "injector/error.h"
#include "src/crepl/compile.h"
#include "src/crepl/loader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct result {
    char name[12]; /* "$1" */
    char *type;    /* as the compiler writes it */
    uint64_t address;
    bool stale; /* its type is another one by now */
};

struct results {
    struct result *results; /* $1 is the first */
    size_t count;
    uint64_t next, end; /* the room in the target that is left */
};

void results_deinit(struct results *results);

/*
 * Room for the next value, `size` bytes, 16-aligned, zeroed; more is taken from the target when
 * needed. The answer's outcome is MANHOLE_DONE when there is some.
 */
struct error *results_reserve(struct results *results, struct loader *loader, uint64_t size,
                              uint64_t *address, struct session_answer *ret) MUST_CHECK;

/* Keeps a value as the next $N; returns N, or 0 without memory. */
size_t results_add(struct results *results, const char *type, uint64_t address);

/* Forgets results of a type with this tag (`length` bytes), which is defined anew. */
void results_forget_type(struct results *results, const char *tag, size_t length);

/* The result that "$12" or "_" names (`length` bytes); NULL: it names none. */
const struct result *results_find(const struct results *results, const char *name, size_t length);

#endif
