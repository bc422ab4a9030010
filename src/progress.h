/*
 * A line on standard error, where that is a terminal, while something takes longer than a user
 * expects; erased when it is done.
 */
#ifndef SRC_PROGRESS_H
#define SRC_PROGRESS_H

struct progress;

/*
 * Starts to wait; after 300 ms the text appears. NULL (no terminal, no memory) is fine: then
 * nothing is shown.
 */
struct progress *progress_start(const char *text);

/* Replaces the text, of which the first 127 bytes count; NULL is fine. */
void progress_update(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Erases the line; NULL is fine. */
void progress_end(struct progress *progress);
void progress_cleanup(struct progress **progress);
#define CLEANUP_PROGRESS __attribute__((unused, cleanup(progress_cleanup)))

#endif
