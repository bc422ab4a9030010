/*
 * Structures, unions and enumerations that the user defined in this session: what their members are
 * is in the text that was typed, where they are is what the compiler says of it. Nothing runs for
 * that: the compiler lays out constants, and these are read from what it made.
 */
#ifndef SRC_CREPL_SESSION_TYPES_H
#define SRC_CREPL_SESSION_TYPES_H

#include "injector/error.h"
#include "src/crepl/type_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crepl;

struct session_member {
    char *name;
    struct type_text *type; /* NULL: not known */
    uint64_t offset;        /* bytes; of a bit-field 0 */
    unsigned bit;           /* of a bit-field: its first bit, from the start of the structure on */
    unsigned bits;          /* of a bit-field: how many; 0: none */
};

struct session_enumerator {
    char *name;
    int64_t value;
};

struct session_type {
    char *name;                     /* "struct point", "enum mood" */
    uint64_t size;                  /* bytes */
    struct session_member *members; /* in their order; those of anonymous members among them */
    size_t member_count;
    struct session_enumerator *enumerators;
    size_t enumerator_count;
};

/* Those that were asked for. */
struct session_types {
    struct session_type **types;
    size_t count;
    unsigned named; /* those that got a name here */
};

/* After a definition they may be others. */
void session_types_deinit(struct session_types *types);

/* Gives names to structures in the text (malloc'ed, replaced) that have none: the compiler could
   not say of which one a value is. */
struct error *session_types_name(struct session_types *types, char **text) MUST_CHECK;

/*
 * The type of that name ("struct point"); *ret stays until the next definition. NULL: the session
 * defined none, or its text has what is not understood here. Errors: without memory.
 */
struct error *session_types_find(struct crepl *crepl, const char *name,
                                 const struct session_type **ret) MUST_CHECK;

#endif
