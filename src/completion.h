/*
 * What the word at the end of a line could become. Several know candidates: the manhole its
 * commands and their arguments, the C console names and members, and the symbols of all modules,
 * read from outside, are for `sym` and `call` and for programs without debug information.
 */
#ifndef SRC_COMPLETION_H
#define SRC_COMPLETION_H

#include "src/evaluate.h"

#include <stdbool.h>
#include <stddef.h>

#define CANDIDATES_MAX 200

struct candidates {
    char **words;      /* ascending, none twice; the array and the strings belong to the caller */
    size_t count;      /* at most CANDIDATES_MAX, when completion_find is done */
    size_t total;      /* how many there are */
    size_t word_start; /* of the word they would replace, bytes from the start of the line */
    char *common;      /* the longest beginning that all have, also those not listed; or NULL */
    bool ends_word;    /* a blank follows, where there is one only */
    size_t capacity;   /* private */
};

/*
 * All candidates for the last word of `line`; none on any failure. `pending` is C of the lines
 * before, which it goes on with; or NULL. Nothing is run in the target; waits half a second at most
 * for the manhole, and a second for debug information.
 */
void completion_find(struct evaluator *evaluator, const char *pending, const char *line,
                     struct candidates *ret);
void candidates_deinit(struct candidates *candidates);

#endif
