/*
 * Whether a piece of C only reads: whatever would write to the program, or call a function, is
 * found before anything runs. Judged by tokens: an expression writes or calls only by an operator,
 * a parenthesis behind an operand, or braces, and macros are judged by what they stand for. What is
 * not known to be harmless counts as harmful.
 */
#ifndef SRC_CREPL_READ_ONLY_H
#define SRC_CREPL_READ_ONLY_H

#include "injector/error.h"

#include <stddef.h>

struct read_only_finding {
    const char *why;      /* "an assignment writes", static; NULL: it only reads */
    size_t start, length; /* of what does not, in the text, bytes */
};

/*
 * Judges the first expression (it is known to be one); `context` is the C that stands before it,
 * with the macros. ERROR_PARTIAL: no memory.
 */
struct error *read_only_check(const char *text, const char *context,
                              struct read_only_finding *ret) MUST_CHECK;

#endif
