/*
 * What is wrong with a text, and where: libtcc 0.9.27 knows a line only, and words of it; other
 * compilers know a column. A place is told where it is certain, else none.
 */
#ifndef SRC_CREPL_COMPLAIN_H
#define SRC_CREPL_COMPLAIN_H

#include "src/crepl/compile.h"
#include "src/crepl/crepl.h"
#include "src/crepl/declare.h"

/* What the compiler says of `text`, which `declarations` were made for, becomes the answer; *place
   is set where it is known. */
void complain_compiler(const char *text, const struct declarations *declarations,
                       const struct complaint *complaint, struct session_answer *answer,
                       struct text_place *place);

/* The same of a name that must not be compiled. */
void complain_problem(const char *text, const struct problem *problem,
                      struct session_answer *answer, struct text_place *place);

/* Where `length` bytes of a text are. */
void text_place_set(const char *text, size_t start, size_t length, struct text_place *ret);

#endif
