/*
 * The arguments and local variables of one function at one moment, with their values: those of the
 * blocks that the program counter is in, from the module's debug information.
 */
#ifndef SRC_VARIABLES_H
#define SRC_VARIABLES_H

#include "injector/error.h"
#include "src/symbols.h"
#include "src/value_frame.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Text of the target, not yet safe for a terminal. "x@entry" is what the argument x was when the
 * function was called, shown where it tells more than x itself.
 */
struct variable {
    char *name, *type, *value;
    bool argument; /* otherwise a local variable */
    bool live;     /* read after the thread had gone on: may be newer than the rest */
};

struct frame_variables {
    struct variable *variables; /* arguments first, in the order of the source */
    size_t count;
    bool cut; /* there are more */
};

/*
 * The variables of the function of `entry` (a subprogram, or an inlined call), whose physical frame
 * is `frame`. *ret is owned by the caller.
 */
struct error *variables_read(const struct value_frame *frame, struct symbols *symbols,
                             Dwarf_Die *entry, struct frame_variables **ret) MUST_CHECK;

/* NULL is fine. */
void variables_destroy(struct frame_variables *variables);

/* All of them were read after the thread had gone on. NULL is fine. */
void variables_mark_live(struct frame_variables *variables);

/* Zero for equal names and values; an order otherwise. Either may be NULL. */
int variables_compare(const struct frame_variables *a, const struct frame_variables *b);

#endif
