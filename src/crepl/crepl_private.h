/* What the files of the C console share: its state, and how one text is evaluated. */
#ifndef SRC_CREPL_CREPL_PRIVATE_H
#define SRC_CREPL_CREPL_PRIVATE_H

#include "injector/module.h"
#include "src/crepl/compile_external.h"
#include "src/crepl/crepl.h"
#include "src/crepl/declare.h"
#include "src/crepl/definitions.h"
#include "src/crepl/faults.h"
#include "src/crepl/headers.h"
#include "src/crepl/hold.h"
#include "src/crepl/linkage.h"
#include "src/crepl/loader.h"
#include "src/crepl/results.h"
#include "src/crepl/session_types.h"
#include "src/crepl/show.h"

#include <stdint.h>

/* Where `.x` was, and how it wrote. */
struct examined {
    uint64_t next;     /* the first address behind it, in the target */
    uint64_t count;    /* of units, the last time */
    char format, unit; /* letters; 0: there was none yet */
};

struct crepl {
    struct session *session;
    struct maps *maps;
    struct modules *modules;
    struct symbols *symbols;
    struct names *names;
    struct declarer *declarer;
    struct loader loader;
    struct linkage linkage;
    struct results results;         /* $1, $2, ... */
    struct definitions definitions; /* of the session */
    struct code_pieces pieces;      /* their code */
    struct session_types types;     /* of the definitions */
    struct headers headers;         /* .load */
    enum compiler compiler;         /* .cc */
    bool compiler_changed;          /* there may be code of several */
    bool advised;                   /* how to get debug information was said */
    struct examined examined;
};

/* The answer is that it does not work, and why: safe for a terminal then. */
void answer_refuse(struct session_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The value of an expression. */
struct expression_value {
    char *type;       /* malloc'ed, as the compiler writes it: "struct client *" */
    uint64_t address; /* where in the target; it stays there for as long as the session */
};

/*
 * Evaluates an expression without showing it. The answer is MANHOLE_DONE when there is a value;
 * statements, definitions and expressions of type void are refused.
 */
struct error *crepl_find_value(struct crepl *crepl, const char *text, struct expression_value *ret,
                               struct session_answer *answer) MUST_CHECK;

/* The same while every other thread of the target stands: see hold.h. An array is copied too. */
struct error *crepl_find_frozen(struct crepl *crepl, const char *text, struct expression_value *ret,
                                struct hold_report *report,
                                struct session_answer *answer) MUST_CHECK;

/*
 * The type of an expression, as the compiler writes it ("struct client *"), without running
 * anything; malloc'ed. The answer is MANHOLE_DONE when there is one. `quiet`: nothing is said of it
 * but in the answer.
 */
struct error *crepl_find_type(struct crepl *crepl, const char *text, bool quiet, char **ret,
                              struct session_answer *answer) MUST_CHECK;

/*
 * Definitions of constants, compiled and not loaded: *ret is to be read from `base` on, as if it
 * stood there. *good: false when they do not compile, which nobody is told. *ret is the caller's.
 */
struct error *crepl_compile_data(struct crepl *crepl, const char *text, uint64_t *base,
                                 struct compiled *ret, bool *good) MUST_CHECK;

/* Its value, to be shown by show_value. */
struct shown crepl_shown(struct crepl *crepl, const char *type, uint64_t address);

/* Its text as show_value writes it, malloc'ed, not yet safe for a terminal. */
struct error *crepl_describe(struct crepl *crepl, const char *type, uint64_t address,
                             char **ret) MUST_CHECK;

/* commands_print.c: a format as .p has it ("x", ""); false: it is none, which is the answer. */
bool crepl_check_format(const char *format, struct session_answer *answer);
/* Writes a value as the next result, "$4 = 0x1f". */
struct error *crepl_print(struct crepl *crepl, const char *format,
                          const struct expression_value *value) MUST_CHECK;

/* Writes text to the user, and a newline. */
void crepl_write_line(struct crepl *crepl, const char *text);

#endif
