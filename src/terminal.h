/*
 * Text of a target on its way to the user. On a terminal only what cannot steer it passes:
 * printable characters, tab and newline; everything else becomes '?'. Elsewhere the bytes pass as
 * they are.
 */
#ifndef SRC_TERMINAL_H
#define SRC_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
    FILE *out;
    bool is_tty;
    bool line_open; /* the last byte written was no newline */
    char
        open_text[160]; /* what that line shows so far, as it was given; "": nothing, or too much */
    /* A UTF-8 sequence of which not all bytes have come yet. */
    char pending[5];
    size_t pending_size;
};

void terminal_init(struct terminal *terminal, FILE *out);

/* Writes and flushes; a sequence cut at the end waits for the next call. */
void terminal_write(struct terminal *terminal, const char *text, size_t size);

/* Ends an open line, so that what follows starts at the left. */
void terminal_end_line(struct terminal *terminal);

#endif
