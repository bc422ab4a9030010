/*
 * The names of one module's debug information: variables, functions, types, enumerators, with the
 * scope each stands in. Made in one walk over the top of all units; what functions keep inside
 * (static variables, types of their own) only when asked for, since that walk is ten times longer.
 * An index that took more than a second is kept for the next session (src/user_cache.h), which then
 * reads of the debug information only what it is about.
 */
#ifndef SRC_CREPL_NAME_INDEX_H
#define SRC_CREPL_NAME_INDEX_H

#include "injector/module.h"
#include "src/symbols.h"

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
    uint64_t name;    /* private: name_index_name tells it */
    Dwarf_Off offset; /* of its DIE */
    uint32_t hash;    /* private, and the next: there may be millions of entries */
    uint32_t next;
    uint32_t parent;      /* the entry of the scope around it, or NAME_NO_PARENT */
    uint8_t kind;         /* enum name_kind */
    bool declaration : 1; /* it is defined elsewhere */
    bool external : 1;
    bool in_function : 1; /* of a function */
    bool shared : 1;      /* its DIE is in the file that dwz(1) made */
    uint16_t zero;        /* entries are kept as they are: no bytes of chance */
};

struct name_index;

/* Both are borrowed. NULL: the module has no debug information, or there is no memory. */
struct name_index *name_index_create(struct symbols *symbols, struct module *module);
/* True where an earlier session kept the index: then it takes a moment. */
bool name_kept_exists(struct module *module);
void name_index_destroy(struct name_index *index);

/* Adds what is inside of functions, once. False without memory: then nothing is added. */
bool name_index_add_locals(struct name_index *index);

/* The next entry of that name behind `after`, or the first of them with NULL; NULL: no more. */
const struct name_entry *name_index_find(const struct name_index *index, const char *name,
                                         const struct name_entry *after);

/* Owned by the index, or the debug information. */
const char *name_index_name(const struct name_index *index, const struct name_entry *entry);

/* All entries, in the order of the debug information. */
const struct name_entry *name_index_all(const struct name_index *index, size_t *count);

const struct name_entry *name_index_parent(const struct name_index *index,
                                           const struct name_entry *entry);

/* Opens the debug information, if that was not done yet. */
bool name_index_die(const struct name_index *index, const struct name_entry *entry, Dwarf_Die *ret);

#endif
