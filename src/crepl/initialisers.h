/*
 * Variables whose first values have to be computed: C has them only inside of functions, where they
 * would not stay. Their declarations are taken apart into definitions without those values, and
 * statements that set them.
 */
#ifndef SRC_CREPL_INITIALISERS_H
#define SRC_CREPL_INITIALISERS_H

#include "injector/error.h"
#include "src/crepl/tokens.h"

struct initialisers {
    char *definitions; /* as they were typed, the values blanked out: "int x       ;" */
    char *statements;  /* each on the line where its value was; NULL: there are none */
    char *unsized;     /* an array that only its value would give a size; or NULL */
};

/* Takes a text apart; whether the definitions compile is for the caller to see. ERROR_PARTIAL: no
   memory. */
struct error *initialisers_split(const char *text, const struct type_names *types,
                                 struct initialisers *ret) MUST_CHECK;
void initialisers_deinit(struct initialisers *initialisers);

#endif
