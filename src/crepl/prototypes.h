/*
 * What the C library and C's own headers declare, for programs whose C library has no debug
 * information, or whose headers left no trace in theirs.
 */
#ifndef SRC_CREPL_PROTOTYPES_H
#define SRC_CREPL_PROTOTYPES_H

#include <stdbool.h>
#include <stddef.h>

/* The declaration of a function or variable of the C library, or NULL. Types that only a header
   names (FILE) are written as void. */
const char *prototype_find(const char *name, bool *is_function);

/* The text that defines a macro or type of C's headers (NULL, size_t, INT_MAX), or NULL. */
const char *header_text_find(const char *name, bool *is_type);

/* The names of all these, one after another; NULL behind the last one. */
const char *prototype_name(size_t at);

#endif
