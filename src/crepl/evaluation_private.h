/* What evaluation.c and its steps in files of their own share. Nobody else includes this. */
#ifndef SRC_CREPL_EVALUATION_PRIVATE_H
#define SRC_CREPL_EVALUATION_PRIVATE_H

#include "src/crepl/crepl_private.h"
#include "src/crepl/hold.h"
#include "src/crepl/snippet.h"

/* One text on its way: what is made of it, from the top to the bottom of evaluation.c. */
struct evaluation {
    struct crepl *crepl;
    const char *text;
    bool quiet;               /* no notes */
    bool needs_value;         /* anything but an expression with a value is not to run */
    bool needs_definitions;   /* anything but definitions is not to run */
    bool sets_values;         /* the first values of variables, no other statements */
    struct hold_report *held; /* it is to run while all other threads stand; or NULL */
    bool done;                /* others have evaluated the parts of the text */
    char *named;              /* of definitions: the text, its structures with names */
    char *prelude;            /* the session's declarations that it may use */
    struct declarations declarations;
    char *context; /* the C before the snippet: declarations and prelude */
    struct snippet snippet;
    struct code_symbol *symbols; /* where everything is that it names */
    size_t symbol_count;
    char *source; /* all of it, as it is compiled */
    struct compiled code;
    uint64_t value; /* of an expression: where in the target; 0: it has none */
    struct session_answer *answer;
    struct text_place place; /* of what is wrong in the text, or was ended */
    struct code_stack stack; /* of what was ended */
};

void evaluation_deinit(struct evaluation *evaluation);
#define CLEANUP_EVALUATION __attribute__((cleanup(evaluation_deinit)))

/* All steps, until one answers. */
struct error *evaluation_run(struct evaluation *evaluation) MUST_CHECK;

/* True when the answer says already why it does not go on. */
bool evaluation_is_refused(const struct evaluation *evaluation);

/* What are types, for the tokens of the text: in the program, or of the session. */
struct type_names evaluation_types(const struct evaluation *evaluation);

/* evaluation_reading.c: what would write or call is refused in a session that only reads. */
struct error *evaluation_check_reading(struct evaluation *evaluation) MUST_CHECK;

/* evaluation_passing.c: calls of functions that only a header declares, or that another compiler
   made. */
struct error *evaluation_check_passing(struct evaluation *evaluation) MUST_CHECK;

/* evaluation_code.c: its structures get names; and all of it becomes machine code, by the compiler
   that is chosen. */
struct error *evaluation_name_types(struct evaluation *evaluation) MUST_CHECK;
struct error *evaluation_compile(struct evaluation *evaluation) MUST_CHECK;

/* evaluation_parts.c: variables whose values have to be computed are defined, then set. */
struct error *evaluation_split(struct evaluation *evaluation) MUST_CHECK;

#endif
