/*
 * Clients that wait while another one is served: each is told once who holds the manhole and what
 * number it has, and is served in its turn. A client of frames does not wait: it is told at once
 * (protocol.h). All of it belongs to the listener's thread; nothing here waits.
 */
#ifndef PAYLOAD_QUEUE_H
#define PAYLOAD_QUEUE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define QUEUE_MAX 64

/* Takes the descriptor. False, and it is not taken: there are as many as may be (QUEUE_MAX, and not
   more than a sixteenth of the descriptors that the program may have). */
bool queue_add(int fd, const struct ucred *peer);

/* What to wait for: fills in `fds`, returns how many. */
size_t queue_events(struct pollfd fds[QUEUE_MAX]);
/* How long to wait at most, ms; -1: without limit. */
long queue_timeout(void);
/* After each wait, with what queue_events filled in: forgets who left, and tells who has not been
   told. `busy`: why they wait, without newline. */
void queue_step(const struct pollfd *fds, size_t count, const char *busy);

/* The next one, whose descriptor the caller then owns. False: nobody waits. */
bool queue_take(int *fd, struct ucred *peer);

/* Closes all; `why` is what they are told. */
void queue_close(const char *why);
/* In a forked child: closes what it inherited, and touches nothing of it. */
void queue_forget(void);

#endif
