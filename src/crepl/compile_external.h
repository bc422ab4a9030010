/*
 * C to machine code by gcc or clang where they are installed (`.cc`): the same that compile_at of
 * compile.h gives, of the same sources. They run as processes of their own, without optimisation:
 * what was typed is what runs, each read and write of it.
 */
#ifndef SRC_CREPL_COMPILE_EXTERNAL_H
#define SRC_CREPL_COMPILE_EXTERNAL_H

#include "src/crepl/compile.h"

enum compiler { COMPILER_TCC, COMPILER_GCC, COMPILER_CLANG };

/* "gcc"; that of COMPILER_TCC stands for libtcc. */
const char *compiler_name(enum compiler compiler);
/* False: no compiler has this name (`length` bytes). */
bool compiler_find(const char *name, size_t length, enum compiler *ret);

struct compile_input {
    const char *source;
    const struct code_symbol *given; /* where everything is that the source does not define */
    size_t given_count;
    uint64_t address;
    bool ignores_const; /* constants can be assigned to, as libtcc lets one with a mere warning */
};

/*
 * Any compiler but COMPILER_TCC, for twenty seconds at most, in which signals that would end us
 * wait. Its files are in a directory of its own below $TMPDIR, or /tmp, and go with it. What does
 * not work, also that it is not installed, is the complaint; *ret is set only when it did not fail.
 * Errors: without memory.
 */
struct error *compile_external(enum compiler compiler, const struct compile_input *input,
                               struct complaint *complaint, struct compiled *ret) MUST_CHECK;

/* Whether it works here at all; the complaint says what is missing. */
struct error *compile_external_try(enum compiler compiler, struct complaint *complaint) MUST_CHECK;

#endif
