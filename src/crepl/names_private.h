/* What names.c and the files name_*.c share. Nobody else includes this. */
#ifndef SRC_CREPL_NAMES_PRIVATE_H
#define SRC_CREPL_NAMES_PRIVATE_H

#include "src/crepl/names.h"

#define SCOPES_MAX 16

/* A wanted name, taken apart. */
struct name_query {
    char *copy; /* what the strings stand in */
    const char *name;
    const char *file;               /* or NULL */
    const char *scopes[SCOPES_MAX]; /* outermost first */
    size_t scope_count;
    bool tag, type_place, any_place;
};

bool name_query_init(struct name_query *query, const struct wanted *wanted);
void name_query_deinit(struct name_query *query);

/*
 * What the query means in one module. A function or variable that is only declared there is found
 * with ADDRESS_NONE and *declared set; a function that may be no more than that is refused with it
 * set.
 */
enum named_result name_choose(struct module *module, struct name_index *index,
                              const struct name_query *query, struct named *ret, bool *declared,
                              char **why);

/* The linkage name of a DIE, or its name. */
const char *name_linkage(Dwarf_Die *die);

/* The source file of the unit that a DIE is of; "" where it has no name. */
const char *name_unit(Dwarf_Die *die);

/* The entry of what a definition outside of its scope defines. */
const struct name_entry *name_specified(const struct name_index *index,
                                        const struct name_entry *entry, Dwarf_Die *die);

#endif
