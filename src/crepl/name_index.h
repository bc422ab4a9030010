/*
 * The names of one module's debug information: variables, functions, types, enumerators, with the
 * scope each stands in. Made in one walk over the top of all units; what functions keep inside
 * (static variables, types of their own) only when asked for, since that walk is ten times longer.
 */
#ifndef SRC_CREPL_NAME_INDEX_H
#define SRC_CREPL_NAME_INDEX_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum name_kind {
    NAME_VARIABLE,
    NAME_FUNCTION,
    NAME_TYPEDEF, /* or a base type */
    NAME_STRUCT,  /* or class */
    NAME_UNION,
    NAME_ENUM,
    NAME_ENUMERATOR,
    NAME_NAMESPACE,
};

/* The entry of the unit itself, for what stands in no other scope. */
#define NAME_NO_PARENT UINT32_MAX

struct name_entry {
    const char *name; /* owned by the debug information */
    Dwarf_Off offset; /* of its DIE */
    uint32_t hash;    /* private, and the next: there may be millions of entries */
    uint32_t next;
    uint32_t parent;      /* the entry of the scope around it, or NAME_NO_PARENT */
    uint8_t kind;         /* enum name_kind */
    bool declaration : 1; /* it is defined elsewhere */
    bool external : 1;
    bool in_function : 1; /* of a function */
    bool shared : 1;      /* its DIE is in the file that dwz(1) made */
};

struct name_index;

/* `dwarf` is borrowed. NULL without memory. */
struct name_index *name_index_create(Dwarf *dwarf);
void name_index_destroy(struct name_index *index);

/* Adds what is inside of functions, once. False without memory: then nothing is added. */
bool name_index_add_locals(struct name_index *index);

/* The next entry of that name behind `after`, or the first of them with NULL; NULL: no more. */
const struct name_entry *name_index_find(const struct name_index *index, const char *name,
                                         const struct name_entry *after);

/* All entries, in the order of the debug information. */
const struct name_entry *name_index_all(const struct name_index *index, size_t *count);

const struct name_entry *name_index_parent(const struct name_index *index,
                                           const struct name_entry *entry);

bool name_index_die(const struct name_index *index, const struct name_entry *entry, Dwarf_Die *ret);

#endif
