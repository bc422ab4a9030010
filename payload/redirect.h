/*
 * What an evaluation prints reaches the client while it runs. Only then are the program's stdout
 * and stderr looked at (stream.h): all that is written to them meanwhile, by whomever, is shown,
 * and goes where it always went. Neither the program nor the evaluation ever waits for the client:
 * what he does not read in time is dropped, with a notice.
 *
 * The listener moves the bytes. A pipe that a child still holds when the evaluation has ended stays
 * with it to the child's end; when the manhole is closed before, the child's pipe gets a process of
 * its own (stream_bequeath).
 */
#ifndef PAYLOAD_REDIRECT_H
#define PAYLOAD_REDIRECT_H

#include "payload/output.h"

#include <poll.h>
#include <stdbool.h>

/* Before the first evaluation: whether stderr is looked at too. */
void redirect_configure(bool with_stderr);

/* Around an evaluation, on the worker. `output` must not be used between the two. */
void redirect_begin(struct output *output);
/*
 * Puts everything back, and sends the rest. What the C library's stdout holds back is flushed
 * first, where that can be done without waiting. Bounded: it does not wait for a stream that takes
 * nothing.
 */
void redirect_end(struct output *output);
/* After a worker that ended in between, for the listener; and then, for the next worker, before it
   says anything else to the client. */
void redirect_bury(void);
void redirect_say_rest(struct output *output);

/* For the listener's loop: what to wait for (returns how many there are), how long at most (ms, -1:
   without limit), and what to do then. */
#define REDIRECT_EVENTS 9
unsigned redirect_events(struct pollfd events[REDIRECT_EVENTS]);
long redirect_timeout(void);
void redirect_step(void);

/* When the manhole is closed, and when the program exits: nothing is left here, and nothing is lost
   that the originals take within moments. */
void redirect_close(void);

/* In a forked child: its stdout and stderr are put back. */
void redirect_forget(void);

#endif
