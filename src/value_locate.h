/*
 * Where a value is, by DWARF expressions (DWARF 5, sections 2.5 and 2.6, and the GNU forerunners of
 * its operations in DWARF 4). Expressions come from files of the target: steps, stack, pieces and
 * nesting are bounded.
 */
#ifndef SRC_VALUE_LOCATE_H
#define SRC_VALUE_LOCATE_H

#include "src/value_frame.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum place {
    PLACE_MEMORY,           /* at `address` */
    PLACE_BYTES,            /* `bytes`, or the 8 of `value` where that is NULL */
    PLACE_OPTIMIZED_OUT,    /* it exists nowhere */
    PLACE_SYNTHETIC,        /* a pointer to something that exists nowhere */
    PLACE_UNKNOWN_REGISTER, /* in a register, or found by one, that is not known */
    PLACE_UNREADABLE,       /* what tells where it is cannot be read */
    PLACE_UNKNOWN,          /* by operations that are not understood, or are broken */
    PLACE_THREAD_LOCAL,     /* in the thread's own storage: where that is is not known */
};

/* Part of a value. */
struct piece {
    enum place place;
    size_t size; /* bytes; of a value in one piece SIZE_MAX: all there is */
    uint64_t address;
    uint64_t value;
    const uint8_t *bytes; /* owned by the debug information */
    size_t bytes_size;
};

#define PIECES_MAX 32

struct storage {
    struct piece pieces[PIECES_MAX];
    size_t count; /* at least 1 */
};

/* A value in one piece at a runtime address; or one that is nowhere, for the reason given. */
void storage_in_memory(struct storage *storage, uint64_t address);
void storage_nowhere(struct storage *storage, enum place place);

/* The bytes [offset, offset + size) of a value. PLACE_BYTES: all are in buffer; otherwise why not.
 */
enum place storage_read(const struct value_frame *frame, const struct storage *storage,
                        uint64_t offset, void *buffer, size_t size);

/* Where a variable or parameter is at the frame's program counter: DW_AT_location,
 * DW_AT_const_value. */
void value_locate(const struct value_frame *frame, Dwarf_Die *variable, struct storage *ret);

/*
 * What a parameter was when the function was called, if the register it came in is still known from
 * the place of the call. False: not known.
 */
bool value_locate_at_entry(const struct value_frame *frame, Dwarf_Die *parameter,
                           struct storage *ret);

/*
 * Evaluates an attribute that is a constant, an expression, or refers to a variable (the bounds of
 * arrays); and the place of a member or base class in the object at runtime address `object`.
 * False: unknown.
 */
bool value_number(const struct value_frame *frame, Dwarf_Attribute *attribute, uint64_t *ret);
bool value_member_address(const struct value_frame *frame, Dwarf_Attribute *attribute,
                          uint64_t object, uint64_t *ret);

#endif
