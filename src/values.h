/*
 * Values as people read them, by their type: numbers, enumerators by name, strings, structures,
 * arrays with what repeats counted. Types and values come from the target: depth, elements and
 * length are bounded, and what is left out shows as "...".
 */
#ifndef SRC_VALUES_H
#define SRC_VALUES_H

#include "src/symbols.h"
#include "src/value_locate.h"

#include <elfutils/libdw.h>
#include <stddef.h>

/* The longest text of a value on one line, with its NUL. */
#define VALUE_TEXT_MAX 2048

enum value_layout {
    VALUE_ON_ONE_LINE,
    VALUE_NESTED, /* members of structures on lines of their own, indented */
};

/*
 * Writes the value of the given type that is in `storage` into a buffer of `size` bytes (at least
 * 4). What cannot be had reads "<optimized out>", "<unreadable>", ... Bytes of the target in it are
 * not yet safe for a terminal. Returns the length.
 */
size_t value_write(const struct value_frame *frame, struct symbols *symbols, Dwarf_Die *type,
                   const struct storage *storage, enum value_layout layout, char *buffer,
                   size_t size);

#endif
