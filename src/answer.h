/* What people are told of an evaluated text: its value, and why there is none. */
#ifndef SRC_ANSWER_H
#define SRC_ANSWER_H

#include "src/crepl/crepl.h"

#include <stdio.h>

/* "$1 = 42", on a line of its own, or "42" where values have no numbers; nothing without a value.
 */
void answer_show_value(struct terminal *out, const struct evaluated *evaluated, bool colour);

/* Why it is not done, for one line: safe for a terminal; "" when it is done. */
const char *answer_reason(const struct session_answer *answer);

/*
 * "line 3: ", or "near line 3: " where the compiler may stand behind it; "" without a place, and
 * where the lines are not numbered. `first` is the number of the text's first line.
 */
#define ANSWER_WHERE_BYTES 32
const char *answer_where(const struct text_place *place, int first, bool is_numbered,
                         char buffer[ANSWER_WHERE_BYTES]);

/*
 * The line of the text in which something is, and a caret under it where it is known so well; each
 * indented. Nothing where only the line of a text of one line is known.
 */
void answer_show_place(FILE *out, const char *text, const struct text_place *place, bool colour);

/* The traceback of Python, lines of their own; false: there is none. */
bool answer_show_traceback(FILE *out, const struct evaluated *evaluated);

/* The functions that were being executed when it was ended, a line each; nothing where the answer
   says it all. */
void answer_show_stack(FILE *out, const struct code_stack *stack);

#endif
