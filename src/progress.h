/*
 * A line on standard error, where that is a terminal, while something takes longer than a user
 * expects; erased when it is done.
 */
#ifndef SRC_PROGRESS_H
#define SRC_PROGRESS_H

struct progress;

/*
 * Starts to wait; after 300 ms the text appears. `text` must outlive it. NULL (no terminal, no
 * memory) is fine: then nothing is shown.
 */
struct progress *progress_start(const char *text);

/* Erases the line; NULL is fine. */
void progress_end(struct progress *progress);
void progress_cleanup(struct progress **progress);
#define CLEANUP_PROGRESS __attribute__((unused, cleanup(progress_cleanup)))

#endif
