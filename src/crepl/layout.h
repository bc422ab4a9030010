/*
 * How a structure of the debug information can be written in C so that two compilers (gcc, libtcc)
 * lay it out exactly as it is in the target. Where the plain members lead there, by the rules of
 * the System V ABI (3.1.2, "Aggregates and Unions", "Bit-Fields"), it is written plainly; otherwise
 * packed, with all padding spelled out. The caller asserts size and offsets.
 */
#ifndef SRC_CREPL_LAYOUT_H
#define SRC_CREPL_LAYOUT_H

#include "src/crepl/names.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond that debug information must be broken (bytes). */
#define LAYOUT_SIZE_MAX (UINT64_C(1) << 40)

struct layout_member {
    const char *name; /* owned by the debug information; NULL: has none */
    Dwarf_Die type;
    uint64_t offset;    /* bytes; of a bit-field those before its first bit */
    uint64_t size;      /* bytes of its type */
    uint64_t bit;       /* of a bit-field: its first bit, from the start of the structure on */
    uint64_t bits;      /* of a bit-field: how many; 0: none */
    uint64_t alignment; /* bytes asked for, beyond what its type has; 0: none */
    bool anonymous;     /* a structure or union whose members are reached as if they were ours */
    bool flexible;      /* an array without a length at the end */
    bool fill;          /* what lies between it and the member before has to be written */
};

struct layout {
    uint64_t size;
    uint64_t alignment; /* bytes: of the type as it is to be written */
    bool aligned;       /* the alignment has to be written */
    bool packed;        /* and so has all padding */
    bool is_union;
    struct layout_member *members; /* ascending by place; of base classes too (C++) */
    size_t count;
};

struct layouts;

/* `names` (borrowed) finds what a unit only declares. NULL without memory. */
struct layouts *layouts_create(struct names *names);
void layouts_destroy(struct layouts *layouts);

/*
 * Of a structure, union or class; the result stays as long as `layouts`. NULL: it is only declared,
 * or the debug information makes no sense (it holds itself), or no memory.
 */
const struct layout *layouts_get(struct layouts *layouts, struct module *module, Dwarf_Die *type);

/* Size and alignment in bytes of any type of an object, as it is to be written; false: unknown. */
bool layouts_measure(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                     uint64_t *size, uint64_t *alignment);

/* Through typedefs, qualifiers, signatures and declarations to what is there; false: void. */
bool layouts_strip(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                   Dwarf_Die *ret);

/* How the elements of an array are counted: dimensions with a length, in the order of C. */
#define DIMENSIONS_MAX 16
struct dimensions {
    uint64_t lengths[DIMENSIONS_MAX];
    size_t count;
    bool open;     /* the first one has no length: [] */
    bool variable; /* a length is computed when the program runs */
};
void layout_dimensions(Dwarf_Die *array, struct dimensions *ret);

/* A number of the debug information; false: has none, or one that is computed. */
bool layout_number(Dwarf_Die *die, unsigned name, uint64_t *ret);

bool layout_is_aggregate(int tag);

#endif
