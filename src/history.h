/*
 * The lines the user typed, in this session and earlier ones: libedit's history, kept in a file of
 * the user, $XDG_STATE_HOME/manhole-attach/history or ~/.local/state/manhole-attach/history. Plain
 * text, one line each, oldest first. A file that cannot be read or written is done without.
 */
#ifndef SRC_HISTORY_H
#define SRC_HISTORY_H

#include <histedit.h>

/* Lines kept, in memory and (twice as many before it is shortened) in the file. */
#define LINE_HISTORY_MAX 1000

struct line_history {
    History *history; /* for EL_HIST; NULL without memory */
    char *path;       /* NULL: not kept in a file */
};

/* Reads the file. Never fails. */
void line_history_init(struct line_history *ret);
void line_history_deinit(struct line_history *lines);

/* Adds one line (no newline in it) to memory and, at once, to the file; repeats only once. */
void line_history_add(struct line_history *lines, const char *line);

#endif
