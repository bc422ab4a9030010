/*
 * What the user types, told apart: commands of the manhole, commands of the C console (a dot in
 * front: no statement of C or Python begins with one), and C; or Python instead of C and of
 * commands without a dot, from `.py` to `.c`.
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
    bool is_python;          /* what is no command is Python, not C */
};

void evaluator_deinit(struct evaluator *evaluator);

/* Runs one command, or evaluates C, of one or more lines. As crepl_evaluate. */
struct error *evaluator_run(struct evaluator *evaluator, const char *text,
                            struct evaluated *ret) MUST_CHECK;

/* A script as a whole, where Python is spoken: any number of statements. */
struct error *evaluator_run_script(struct evaluator *evaluator, const char *text,
                                   struct evaluated *ret) MUST_CHECK;

/* Python from now on, if there is a Python console: else the answer says why not. */
struct error *evaluator_speak_python(struct evaluator *evaluator,
                                     struct session_answer *ret) MUST_CHECK;

/* True when `text` is C that goes on in the next line. Of Python the answer to it tells that. */
bool evaluator_wants_more(const struct evaluator *evaluator, const char *text);

/*
 * How a text that is being typed is taken. Of a command `ret` is what stands behind the dot (or the
 * text itself, where it has none), of C the part that is C: all, or the arguments of a command.
 */
enum text_kind {
    TEXT_C,
    TEXT_PYTHON,
    TEXT_COMMAND,      /* of the manhole, without a dot */
    TEXT_DOT_COMMAND,  /* of the manhole, or not yet a whole name */
    TEXT_DOT_ARGUMENT, /* of a command of the C console, not C */
};
enum text_kind evaluator_text_kind(const struct evaluator *evaluator, const char *text,
                                   const char **ret);

/* The C console, made when it is first needed; NULL: there is none. */
struct crepl *evaluator_crepl(struct evaluator *evaluator);

#endif
