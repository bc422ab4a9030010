/*
 * Static functions and variables at the manhole's console: it knows the dynamic symbol tables
 * alone, we know the whole ones. A `call` or `sym` of a name it does not find is answered from
 * here.
 */
#ifndef SRC_RESOLVE_H
#define SRC_RESOLVE_H

#include "src/symbol_names.h"

#include <stdbool.h>

enum resolve_outcome {
    RESOLVE_UNKNOWN,   /* no such name here either, or no command with a name */
    RESOLVE_ANSWERED,  /* *text is the answer */
    RESOLVE_AMBIGUOUS, /* *text says which there are */
    RESOLVE_AGAIN,     /* *text is the line with the address in place of the name */
};

/* `text` is malloc'ed, unless RESOLVE_UNKNOWN; target text in it is not yet safe for a terminal. */
enum resolve_outcome resolve_line(struct symbol_names *names, const char *line, char **text);

/* True when the line is `command` with a first argument, which is then [*argument, *argument +
 *length). */
bool resolve_is_command(const char *line, const char *command, const char **argument,
                        size_t *length);

#endif
