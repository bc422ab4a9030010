/* What the files that write values share: values.c (structures and arrays) and value_scalars.c
   (everything that has no parts). */
#ifndef SRC_VALUE_WRITER_H
#define SRC_VALUE_WRITER_H

#include "src/values.h"

#include <stdbool.h>
#include <stdint.h>

/* Elements of an array and characters of a string that are shown, as gdb does by default. */
#define ELEMENTS_MAX 200

struct writer {
    const struct value_frame *frame;
    struct symbols *symbols;
    char *text;
    size_t size, used;
    bool full;        /* the text is cut */
    size_t work_left; /* values within this one that may still be looked at */
};

void writer_add(struct writer *writer, const char *text);
void writer_format(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Why a value cannot be had, in angle brackets. */
void writer_add_problem(struct writer *writer, enum place place);

/* Bytes in double quotes, escaped; `cut`: there would be more. */
void writer_add_string(struct writer *writer, const uint8_t *bytes, size_t size, bool cut);

/* The characters at an address in the target, up to a NUL. */
void writer_add_string_at(struct writer *writer, uint64_t address);

/* A number of a base type or enumeration, extended to 64 bits according to its type. */
void writer_add_number(struct writer *writer, Dwarf_Die *type, uint64_t value);

/*
 * A value without parts: base types, enumerations, pointers. `type` is stripped. False: the type is
 * none of these.
 */
bool writer_add_scalar(struct writer *writer, Dwarf_Die *type, const struct storage *storage,
                       uint64_t offset);

#endif
