/* The members that may follow a dot or an arrow. Of complete.c. */
#ifndef SRC_CREPL_COMPLETE_MEMBERS_H
#define SRC_CREPL_COMPLETE_MEMBERS_H

#include "src/crepl/complete.h"
#include "src/crepl/tokens.h"

/*
 * False when the tokens do not end in a dot or an arrow. Otherwise hands over the members of what
 * stands in front of it; none when its type cannot be told, or has none.
 */
bool complete_members(struct crepl *crepl, const struct tokens *tokens, complete_fn *add,
                      void *context);

#endif
