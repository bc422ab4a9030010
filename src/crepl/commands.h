/*
 * Commands of the C console itself: those that take the debug information, or values. Each group
 * has a file of its own, commands_*.c; the table of all is in commands.c.
 */
#ifndef SRC_CREPL_COMMANDS_H
#define SRC_CREPL_COMMANDS_H

#include "src/crepl/crepl.h"

struct crepl_command {
    const char *name;      /* without its dot */
    const char *arguments; /* "EXPR"; a format that may follow stands first: "[/FORMAT] EXPR" */
    const char *summary;
    /* `format` is what follows a slash, "4xw" of ".x/4xw main"; both may be "". Errors are those of
       the connection; what is wrong with the arguments is the answer. */
    struct error *(*run)(struct crepl *crepl, const char *format, const char *arguments,
                         struct session_answer *ret);
};

/* commands_types.c */
struct error *command_sizeof(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret) MUST_CHECK;
struct error *command_type(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret) MUST_CHECK;

/* commands_print.c */
struct error *command_print(struct crepl *crepl, const char *format, const char *arguments,
                            struct session_answer *ret) MUST_CHECK;

/* commands_memory.c */
struct error *command_examine(struct crepl *crepl, const char *format, const char *arguments,
                              struct session_answer *ret) MUST_CHECK;

/* commands_list.c */
struct error *command_list(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret) MUST_CHECK;

/* commands_symbol.c */
struct error *command_symbol(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret) MUST_CHECK;

/* commands_names.c */
struct error *command_vars(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret) MUST_CHECK;
struct error *command_functions(struct crepl *crepl, const char *format, const char *arguments,
                                struct session_answer *ret) MUST_CHECK;
struct error *command_types(struct crepl *crepl, const char *format, const char *arguments,
                            struct session_answer *ret) MUST_CHECK;

/* commands_session.c */
struct error *command_cc(struct crepl *crepl, const char *format, const char *arguments,
                         struct session_answer *ret) MUST_CHECK;
struct error *command_frozen(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret) MUST_CHECK;
struct error *command_load(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret) MUST_CHECK;
struct error *command_thread(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret) MUST_CHECK;
struct error *command_readonly(struct crepl *crepl, const char *format, const char *arguments,
                               struct session_answer *ret) MUST_CHECK;

#endif
