/* A pager for what is longer than the screen: $PAGER, or less(1) where there is one. */
#ifndef SRC_PAGER_H
#define SRC_PAGER_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct pager {
    FILE *in; /* what is to be shown goes here; the user may leave before its end */
    pid_t pid;
    void (*on_pipe)(int); /* what SIGPIPE did before */
    bool shows_colours;   /* it is known to */
};

/* True when the text takes more lines of the terminal `fd` than it has. */
bool pager_is_needed(int fd, const char *text);

/* `mask` is the signal mask that it gets. False: there is none, or none is wanted (PAGER empty). */
bool pager_open(struct pager *pager, const sigset_t *mask);
/* Waits until the user has left it. */
void pager_close(struct pager *pager);

#endif
