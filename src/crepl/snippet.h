/*
 * What the user typed, made into C that compiles: is it an expression, statements, or definitions;
 * where the compiler's complaint points; and the text around it.
 */
#ifndef SRC_CREPL_SNIPPET_H
#define SRC_CREPL_SNIPPET_H

#include "injector/error.h"
#include "src/crepl/compile.h"

#include <stdbool.h>

enum snippet_kind {
    SNIPPET_EXPRESSION,  /* has a type, void too */
    SNIPPET_STATEMENTS,  /* the body of a function */
    SNIPPET_DEFINITIONS, /* functions, variables, types: they stay */
    SNIPPET_WRONG,       /* does not compile: see the complaint */
};

struct snippet {
    enum snippet_kind kind;
    char type[512]; /* of an expression, as the compiler writes it: "struct client *" */
    uint64_t size;  /* bytes that the value of an expression takes at most; 0: void */
    bool copies;    /* of an array its elements are the value, not its address */
    struct complaint complaint;
};

/* Classifies `text`; `declarations` is C that stands before it. */
struct error *snippet_classify(const char *declarations, const char *text,
                               struct snippet *ret) MUST_CHECK;

/* Makes a copy the value of an expression of array type. */
struct error *snippet_copy_arrays(const char *declarations, const char *text,
                                  struct snippet *snippet) MUST_CHECK;

/* The function that runs the snippet, and where an expression puts its value. */
#define SNIPPET_RUN "__manhole_run"
#define SNIPPET_VALUE "__manhole_value"

/*
 * The whole source for the compiler, malloc'ed. The value of an expression of array type is the
 * address of the array, unless it is copied; SNIPPET_VALUE is to be bound to room of that size.
 */
struct error *snippet_source(const char *declarations, const char *text,
                             const struct snippet *snippet, char **ret) MUST_CHECK;

/* True for the type of an array: "char [16]", "int [2][3]", "int (*[2])(int)". */
bool snippet_is_array(const char *type);

#endif
