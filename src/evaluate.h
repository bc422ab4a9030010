/*
 * What the user types, told apart: commands of the manhole, commands of the C console (a dot in
 * front: no C statement begins with one), and C.
 */
#ifndef SRC_EVALUATE_H
#define SRC_EVALUATE_H

#include "injector/error.h"
#include "src/crepl/crepl.h"
#include "src/session.h"

#include <stdbool.h>

struct evaluator {
    struct session *session; /* borrowed */
    struct crepl *crepl;     /* made when C is first typed; NULL before */
};

void evaluator_deinit(struct evaluator *evaluator);

/* Runs one command, or evaluates C, of one or more lines. As crepl_evaluate. */
struct error *evaluator_run(struct evaluator *evaluator, const char *text,
                            struct evaluated *ret) MUST_CHECK;

/* True when `text` is C that goes on in the next line. */
bool evaluator_wants_more(const char *text);

#endif
