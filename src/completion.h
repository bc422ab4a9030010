/*
 * What the word at the end of a line could become: the manhole's own answer (commands and their
 * arguments), and for `sym` and `call` the symbols of all modules of the target, read from outside
 * when first asked for.
 */
#ifndef SRC_COMPLETION_H
#define SRC_COMPLETION_H

#include "src/client.h"
#include "src/symbol_names.h"

#include <stddef.h>

struct candidates {
    char **words;      /* ascending, none twice; the array and the strings belong to the caller */
    size_t count;      /* at most CANDIDATES_MAX */
    size_t total;      /* how many there are */
    size_t word_start; /* of the word they would replace, bytes from the start of the line */
    char *common;      /* the longest beginning that all have, also those not listed; or NULL */
};

#define CANDIDATES_MAX 200

/*
 * All candidates for the last word of `line`; none on any failure. Waits half a second at most for
 * the manhole. `symbols` may be NULL.
 */
void completion_find(struct client *client, struct symbol_names *symbols, const char *line,
                     struct candidates *ret);
void candidates_deinit(struct candidates *candidates);

#endif
