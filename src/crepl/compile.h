/*
 * C to machine code, in memory: the code is made here, for an address in the target, and only its
 * bytes go there (DESIGN.md section 7). libtcc 0.9.27 does it; its state is global, so one
 * compilation runs at a time.
 */
#ifndef SRC_CREPL_COMPILE_H
#define SRC_CREPL_COMPILE_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of the user's own text, by #line. */
#define COMPILE_USER_FILE "input"

/* A name of the source, and where it is in the target. */
struct code_symbol {
    const char *name;
    uint64_t address;
};

/* What the compiler says: the first error, in the lines of the user's own text where it has any. */
struct complaint {
    char text[512];
    int line;    /* of the text after `#line 1 "input"`; 0: of what we have put around it */
    int column;  /* of that line, in characters from 1; 0: the compiler does not know */
    bool at_end; /* in what we have put behind it: the text was read to its end */
    bool failed; /* an error: there is no code; else a warning, or nothing */
};

/*
 * Compiles without making code: *ret says whether that went well. Errors: without memory.
 */
struct error *compile_try(const char *source, struct complaint *ret) MUST_CHECK;

struct compiled {
    uint8_t *image;    /* malloc'ed */
    size_t image_size; /* bytes, at most `size`: what follows is zero */
    size_t size;       /* bytes in the target, whole pages */
    size_t code_size;  /* the part that is executed, from the start on, whole pages; then data */
    struct code_symbol *symbols; /* malloc'ed: what the source defines; names malloc'ed too */
    size_t symbol_count;
    bool is_foreign; /* another compiler's: compile_external.h */
};

/*
 * Makes code that runs at `address` (a multiple of the page size, free in this process too). What
 * the source does not define must be among the given symbols. `complaint` says what the compiler
 * has to say; *ret is set only when it did not fail.
 */
struct error *compile_at(const char *source, const struct code_symbol *given, size_t count,
                         uint64_t address, struct complaint *complaint,
                         struct compiled *ret) MUST_CHECK;

/* C to stand behind a source: what compilers' code calls for operations without instructions. */
extern const char compile_runtime[];

/* The same source as an object file with debug information, written to a file in memory; *ret: that
   went well. */
struct error *compile_object(const char *source, int fd, bool *ret) MUST_CHECK;
void compiled_deinit(struct compiled *compiled);

/* The address of something the source defines; 0: it does not. */
uint64_t compiled_find(const struct compiled *compiled, const char *name);

#endif
