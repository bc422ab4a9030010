/*
 * The bell that wakes the listener. Anybody may ring it, also in a signal handler. The listener
 * hears it in its sleep; and, once it has something to poll, through a pipe. Without a pipe a
 * manhole that only waits to be activated has no descriptor that the program could close.
 */
#ifndef PAYLOAD_BELL_H
#define PAYLOAD_BELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asks no lock and keeps errno. */
void bell_ring(void);

/* --- For the listener. --- */

/* A new bell, without a pipe. */
void bell_init(void);
/* Makes sure that there is a pipe. 0, or an errno with a line in `message`. */
int bell_open_pipe(char *message, size_t message_size);
/* The end to poll; -1: there is none, or the program closed it under us. */
int bell_descriptor(void);
/* Makes the pipe quiet again. */
void bell_hush(void);
/* How often it was rung; bell_wait sleeps while that is so, at most timeout_ms (negative: without
   limit). */
uint32_t bell_rings(void);
void bell_wait(uint32_t rings, long timeout_ms);
/* Closes the pipe, when nobody can ring any more, and in a forked child. */
void bell_deinit(void);

#endif
