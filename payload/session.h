/*
 * One client: its greeting, its lines or frames, in the order in which they came, one job of the
 * worker after the other. All of it belongs to the listener's thread; nothing here waits.
 */
#ifndef PAYLOAD_SESSION_H
#define PAYLOAD_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* True from session_begin until all that the client started has ended. */
bool session_active(void);
/* True while its client is there. */
bool session_attended(void);
/* Pid of the client, for any thread; 0: there is none, or it is gone and what it ran is not. */
pid_t session_client(void);
/* The same for those whose pid may not be visible from here. */
bool session_connected(void);

/* For any thread: a line (static) that the client is to be told when nothing runs for it. The
   listener must be woken. */
void session_announce(const char *text);
/* Sleeps until there is no client; the calling thread must not be one of ours. */
void session_wait_until_left(void);

/* True for a moment while a session ends by itself: the next client may well be served. */
bool session_ends_soon(void);

/* Takes the descriptor. False: there is no memory, and it stays the caller's. */
bool session_begin(int fd, const struct ucred *peer);

/* Asks for the session to end; `why` (static, or NULL) is what the client is told. */
void session_end(const char *why);

/* What to wait for, and, between two commands, where what others print in Python comes; `fd` is -1
   when there is nothing. */
struct pollfd session_events(void);
struct pollfd session_printed_events(void);
/* How long to wait at most, ms; -1: without limit. */
long session_timeout(void);
/* To be called after each wait. */
void session_step(short events);

/* In a forked child, at whatever moment of its parent: closes what it inherited. */
void session_forget(void);

#endif
