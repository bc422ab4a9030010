/*
 * The stacks of the program's threads, each recorded by the thread itself, in the handler of a
 * real-time signal, with the unwinder of libgcc_s.
 */
#ifndef PAYLOAD_STACKS_H
#define PAYLOAD_STACKS_H

#include <stdbool.h>
#include <sys/types.h>

/* True when no thread of the program is in a handler of ours. */
bool stacks_at_rest(void);
/* The one that is, as far as we know. */
pid_t stacks_stuck_thread(void);

/* Lets go of libgcc_s, on the thread that uninstalls. */
void stacks_release(void);

#endif
