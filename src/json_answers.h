/*
 * Answers as programs read them: one JSON document for each evaluated text, each on a line of its
 * own. What the session prints meanwhile is collected, and stands in the document.
 */
#ifndef SRC_JSON_ANSWERS_H
#define SRC_JSON_ANSWERS_H

#include "injector/error.h"
#include "src/crepl/crepl.h"

#include <stdbool.h>
#include <stddef.h>

struct json_answers {
    struct terminal terminal; /* what the session writes to */
    char *output;             /* since the last document; ends with NUL */
    size_t size, capacity;    /* bytes of it */
    bool cut;                 /* more came than is kept */
};

/* From now on the output of the session is collected; `answers` must stay where it is. */
struct error *json_answers_init(struct json_answers *answers, struct session *session) MUST_CHECK;
void json_answers_deinit(struct json_answers *answers);

/*
 * Writes a document to standard output. `failure` is an error of the connection, which stays the
 * caller's; NULL: there was none.
 */
void json_answers_write(struct json_answers *answers, const char *input,
                        const struct evaluated *evaluated, const struct error *failure);

/* What came after the last document, if anything: a document without input. */
void json_answers_write_rest(struct json_answers *answers);

#endif
