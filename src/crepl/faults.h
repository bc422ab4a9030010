/* What code of the session was doing when a signal or an interrupt ended it: told with its lines,
   and the names of the functions that it called. */
#ifndef SRC_CREPL_FAULTS_H
#define SRC_CREPL_FAULTS_H

#include "src/crepl/code_lines.h"
#include "src/crepl/crepl.h"

/* Code in the target, with its names. */
struct code_piece {
    uint64_t start, end;         /* addresses */
    struct code_symbol *symbols; /* malloc'ed, and so are the names */
    size_t symbol_count;
    bool is_foreign; /* see struct compiled */
    struct code_lines lines;
};

/* What the user defined in the session. */
struct code_pieces {
    struct code_piece *pieces;
    size_t count;
};
void code_pieces_deinit(struct code_pieces *pieces);

/* Takes the symbols of `code`, which was loaded at `start`; `text` is the user's part of `source`.
 */
struct error *code_pieces_add(struct code_pieces *pieces, struct compiled *code, uint64_t start,
                              const char *source, const char *text) MUST_CHECK;

/* True for a name of the session, by its address, that another compiler than libtcc has made. */
bool code_pieces_is_foreign(const struct code_pieces *pieces, uint64_t address);

/* A text that was executed: its code was made of `source` and loaded at `start`. */
struct executed {
    const char *text, *source;
    const struct compiled *code;
    uint64_t start;
};

/* Where the answer is that it was ended, by a signal or an interrupt: finds the stack and the line
   of the text; what a signal ended is said anew in the answer. */
struct error *fault_explain(struct crepl *crepl, const struct executed *executed,
                            struct session_answer *answer, struct text_place *place,
                            struct code_stack *stack) MUST_CHECK;

#endif
