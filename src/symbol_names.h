/*
 * The symbols of all modules of a target by name, static ones included, read from outside when
 * first asked for: for completion, and for names that the manhole itself cannot know, since it sees
 * only the dynamic symbol tables.
 */
#ifndef SRC_SYMBOL_NAMES_H
#define SRC_SYMBOL_NAMES_H

#include "injector/process.h"

#include <stddef.h>
#include <stdint.h>

struct symbol_names;

struct named_symbol {
    const char *name;
    uint64_t address; /* in the target */
    uint64_t size;    /* bytes; 0: not known */
    const char *module;
};

/* `process` is borrowed; NULL is fine, and then there are no symbols. NULL without memory. */
struct symbol_names *symbol_names_create(const struct process *process);
void symbol_names_destroy(struct symbol_names *names);

/*
 * The symbols whose names begin with `prefix`, ascending by name, or have exactly that name. Sets
 * *ret to the first (owned by `names`); returns how many there are. None where the target may not
 * be read. A name may occur several times, at different addresses. `names` may be NULL.
 */
size_t symbol_names_begin_with(struct symbol_names *names, const char *prefix,
                               const struct named_symbol **ret);
size_t symbol_names_find(struct symbol_names *names, const char *name,
                         const struct named_symbol **ret);

#endif
