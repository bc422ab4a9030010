/*
 * Where a dump is written: standard output, or a file (-o) that is there whole or not at all. A
 * regular file is kept in memory until it is complete, then written beside its place and renamed to
 * it, so that neither a full disk nor Ctrl-C leaves a part of it; anything else (a FIFO, a device)
 * is written to directly.
 */
#ifndef SRC_OUTPUT_H
#define SRC_OUTPUT_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct output {
    FILE *file;
    const char *path; /* as the user named it; NULL: standard output */
    char *place;      /* path without symbolic links; NULL: written to directly */
    char *text;       /* of open_memstream(3), when place is set */
    size_t size;
    bool private; /* the file is for our user alone, whatever was there before */
};

/*
 * Opens. `path` is borrowed. ERROR_PARTIAL: it cannot be written there, and why; asked now, since
 * a target may not be there to be looked at again.
 */
struct error *output_open(const char *path, struct output *ret) MUST_CHECK;

/* The same for what nobody else may read: a regular file gets the mode 0600. */
struct error *output_open_private(const char *path, struct output *ret) MUST_CHECK;

/*
 * Writes out what is buffered and puts the file in its place; after any error, also of an earlier
 * write, nothing of it is left. `*broken_pipe` (may be NULL) is set where the reader of standard
 * output is gone, which is no error but the end.
 */
struct error *output_close(struct output *output, bool *broken_pipe) MUST_CHECK;

/* Gives up: nothing is left. For an output that was not closed; does nothing after that. */
void output_discard(struct output *output);

#endif
