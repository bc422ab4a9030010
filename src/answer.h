/* What people are told of an evaluated text: its value, and why there is none. */
#ifndef SRC_ANSWER_H
#define SRC_ANSWER_H

#include "src/crepl/crepl.h"

/* "$1 = 42", on a line of its own; nothing without a value. */
void answer_show_value(struct terminal *out, const struct evaluated *evaluated);

/* Why it is not done, for one line: safe for a terminal; "" when it is done. */
const char *answer_reason(const struct session_answer *answer);

#endif
