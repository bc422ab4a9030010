/*
 * What the word at the end of a piece of C could become: names that C may use there, or the members
 * of what stands before. Nothing is run: the type of what stands before is the compiler's word.
 */
#ifndef SRC_CREPL_COMPLETE_H
#define SRC_CREPL_COMPLETE_H

#include "src/crepl/crepl.h"

#include <stddef.h>

/* Candidates are not yet safe for a terminal. */
typedef void complete_fn(void *context, const char *candidate);

/* Where the word at the end of a text of C begins: bytes from its start. */
size_t complete_word_start(const char *text);

/*
 * Hands over all candidates for the last word of `text`, in no order, some perhaps twice; none in a
 * string or comment, on any failure, and where the word is empty and no member. Takes a second or
 * so: debug information that takes longer to read is left out until something else has read it.
 * Returns false when the word is no member and no name of the debug information, of the session or
 * of C's own fits: symbols without debug information may.
 */
bool complete_c(struct crepl *crepl, const char *text, complete_fn *add, void *context);

#endif
