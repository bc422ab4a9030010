/*
 * Which line of the user's text code was made from. libtcc 0.9.27 tells only in the debug
 * information of an object file (stabs): the same source is compiled once more to one, and taken at
 * its word only when its code is the same, byte by byte. Of other compilers' code none is known.
 */
#ifndef SRC_CREPL_CODE_LINES_H
#define SRC_CREPL_CODE_LINES_H

#include "src/crepl/compile.h"

struct code_line {
    uint64_t start; /* address of the first byte; it goes on to the next one's */
    int line;       /* of the user's text, from 1; 0: none */
};

struct code_lines {
    struct code_line *lines; /* malloc'ed; by their addresses */
    size_t count;
};

/*
 * `source` is what `code` was made of by compile_at. Without lines where
 * they are not certain; errors: without memory.
 */
struct error *code_lines_read(const char *source, const struct compiled *code,
                              struct code_lines *ret) MUST_CHECK;
void code_lines_deinit(struct code_lines *lines);

/* The line of an address, or of one in a statement of several lines; 0: not known. */
int code_lines_find(const struct code_lines *lines, uint64_t address);

#endif
