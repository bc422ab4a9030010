/*
 * The listener: the thread that owns the socket, if there is one, and the session with a client. It
 * never waits for anything but events, so that every client gets an answer, if only that another
 * one is there. What others want of it they say by orders.h.
 */
#ifndef PAYLOAD_LISTENER_H
#define PAYLOAD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct listener_setup {
    const char *path;            /* where there will be a socket */
    unsigned oneshot_timeout_ms; /* who orders one client waits for it at most so long */
    const char *first_line;      /* of the log; NULL: none. Static */
    /* In a forked child: called after the delay, before there is a socket; false: nothing more can
       be done. NULL elsewhere. */
    bool (*begin_late)(void);
    uint32_t delay_ms;
};

/* Starts it without a socket. 0 or an errno. */
int listener_start(const struct listener_setup *setup);
/* Waits for it to run, at most until `end` (sys_now_ms). */
bool listener_wait_started(uint64_t end);

/* For any thread. */
bool listener_listens(void);

enum stop_answer { STOP_PENDING, STOPPED, STOP_REFUSED };

/*
 * Asks it, and the worker, to end, and waits for the answer. STOP_REFUSED: an evaluation did not
 * end within patience_ms; `message` says which thread it is, and the manhole goes on. STOPPED is
 * final: then worker_join, so that nobody rings the bell any more, and listener_join, which closes
 * that and the socket.
 */
enum stop_answer listener_stop(unsigned patience_ms, char *message, size_t size);
void listener_join(void);
/* In a forked child: closes what it inherited. */
void listener_forget(void);
/* Only removes the socket's file. */
void listener_unlink(void);

pid_t listener_tid(void);

/* For any thread: the program exits when the client has left; there will be no other. */
void listener_announce_exit(void);

#endif
