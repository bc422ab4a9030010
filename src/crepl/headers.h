/*
 * Headers that the user brought into the session: their types and declarations, for programs
 * without debug information. libtcc preprocesses them, with its usual include paths.
 */
#ifndef SRC_CREPL_HEADERS_H
#define SRC_CREPL_HEADERS_H

#include "injector/error.h"
#include "src/crepl/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct header {
    char *path; /* absolute */
    char *text; /* preprocessed C */
    struct tokens tokens;
};

struct headers {
    struct header *headers;
    size_t count;
};

void headers_deinit(struct headers *headers);

/*
 * Reads a header, in the place of what was read from that path before. *problem is set (malloc'ed)
 * when it cannot be read or does not compile: then nothing changes. ERROR_PARTIAL: no memory or
 * process for it.
 */
struct error *headers_load(struct headers *headers, const char *path, char **problem) MUST_CHECK;

void headers_write(const struct headers *headers, FILE *out);

/* True for a name (`length` bytes) that one of them declares: a tag, or something else. */
bool headers_have(const struct headers *headers, const char *name, size_t length, bool tag);

/* The same for a typedef. */
bool headers_have_type(const struct headers *headers, const char *name, size_t length);

#endif
