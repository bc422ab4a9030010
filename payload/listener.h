/*
 * The listener: the thread that owns the socket and the session with a client. It never waits for
 * anything but events, so that every client gets an answer, if only that another one is there.
 */
#ifndef PAYLOAD_LISTENER_H
#define PAYLOAD_LISTENER_H

#include "payload/descriptor.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Starts it on a listening socket, bound to `path`; it is woken through `wake`, the end of a pipe.
   All are borrowed. 0 or an errno. */
int listener_start(const struct descriptor *listening, const char *path,
                   const struct descriptor *wake);

enum stop_answer { STOP_PENDING, STOPPED, STOP_REFUSED };

/*
 * Asks it (through the other end of its pipe), and the worker, to end, and waits for the answer.
 * STOP_REFUSED: an evaluation did not end within patience_ms; `message` says which thread it is,
 * and the manhole goes on. After STOPPED: listener_join.
 */
enum stop_answer listener_stop(const struct descriptor *wake, unsigned patience_ms, char *message,
                               size_t size);
void listener_join(void);
/* In a forked child. */
void listener_forget(void);

pid_t listener_tid(void);

#endif
