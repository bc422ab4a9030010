/*
 * The C console: evaluates what the user types, in the target, with the program's own types,
 * variables and functions (DESIGN.md section 7). The debug information is read and the compiler
 * runs here; only machine code goes there.
 */
#ifndef SRC_CREPL_CREPL_H
#define SRC_CREPL_CREPL_H

#include "injector/error.h"
#include "src/session.h"

#include <stdbool.h>

struct crepl;

/* Where in a text something is. */
struct text_place {
    int line;             /* from 1; 0: not known */
    bool is_near;         /* the line is the compiler's: it may be the one after the mistake */
    size_t start, length; /* bytes, from the start of the text; length 0: the line alone is known */
};

/* What was being executed when it was ended: a line for each function, innermost first; the
   outermost is the text itself. */
struct code_stack {
    char **frames; /* malloc'ed, of the target's names: not yet safe for a terminal */
    size_t count;
};
void code_stack_deinit(struct code_stack *stack);

/* What one text gave. */
struct evaluated {
    struct session_answer answer;
    struct text_place place; /* of what does not compile, or of what was ended */
    struct code_stack stack; /* of what was ended by a signal or an interrupt */
    size_t number;           /* of an expression with a value: the N of its $N; 0: it has none */
    char *type;  /* as the compiler writes it: "struct client *"; malloc'ed; NULL: no value */
    char *value; /* its text, malloc'ed, without newline at its end; not yet safe for a terminal */
    /* Of Python, where values have no number: what it prints of an exception; malloc'ed, or NULL */
    char *traceback;
};
void evaluated_deinit(struct evaluated *evaluated);
#define CLEANUP_EVALUATED __attribute__((cleanup(evaluated_deinit)))

/* `session` is borrowed, with its process. The work begins at the first snippet. */
struct error *crepl_create(struct session *session, struct crepl **ret) MUST_CHECK;
/* NULL is fine. */
void crepl_destroy(struct crepl *crepl);

/*
 * Evaluates expressions, statements or definitions. What is wrong with the text, and what faulted,
 * is in the answer, as for a command; errors are those of the connection. *ret is the caller's in
 * any case.
 */
struct error *crepl_evaluate(struct crepl *crepl, const char *text,
                             struct evaluated *ret) MUST_CHECK;

/*
 * Commands of this console, without the dot in front: "sizeof struct client". Their output goes to
 * that of the session; crepl_has_command says first that there is such a one.
 */
bool crepl_has_command(const char *text);
struct error *crepl_run_command(struct crepl *crepl, const char *text,
                                struct session_answer *ret) MUST_CHECK;
/* What `.help` says of them, a line each. */
void crepl_list_commands(struct terminal *out);
/* Their names, one after another; NULL behind the last one. */
const char *crepl_command_name(size_t at);
/* The arguments of such a command as far as they are C, or begin as names do; NULL: they are not.
 */
const char *crepl_command_c(const char *text);
/* The words that the argument of such a command is one of, as "gcc|clang]"; NULL: it is anything.
 */
const char *crepl_command_words(const char *text);

/* True when more lines must follow: an open brace, parenthesis or string. */
bool crepl_is_incomplete(const char *text);

#endif
