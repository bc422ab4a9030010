/*
 * What the listener is asked for by other threads, some of them inside a signal handler: to listen
 * from now on, or to serve one client while the asking thread waits.
 */
#ifndef PAYLOAD_ORDERS_H
#define PAYLOAD_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One client, of an asking thread that waits. It lives on that thread's stack. */
struct order {
    int fd;     /* a connected socket, taken; -1: whoever connects first */
    int status; /* how it ended: 0, an errno or an enum manhole_error */
    _Atomic uint32_t done;
};

/* --- For those who ask; all of it may be called in a signal handler. --- */

/* Asks for a socket that stays. Asking again changes nothing. */
void orders_want_socket(void);
/* How many times such a wish was answered; waits, at most until `end` (sys_now_ms), for one more.
   False: none came. */
uint32_t orders_socket_answers(void);
bool orders_wait_for_socket(uint32_t answers, uint64_t end);
/* The last answer: 0, or an errno with a line in `message`. */
int orders_socket_status(char *message, size_t message_size);

/* False: another one is under way, or the manhole is being closed. */
bool orders_give(struct order *order);
void orders_wait(struct order *order);

/* --- For the listener. --- */

/* A new listener, of whom nothing is asked yet. */
void orders_init(void);
/* In a forked child: nobody there waits. */
void orders_forget(void);
/* After orders_close: it goes on. */
void orders_open(void);
/* From now on none are accepted. */
void orders_close(void);
/* A wish for a socket, once. */
bool orders_take_wish(void);
void orders_answer_wish(int status, const char *message);
/* An order that was not taken yet, or NULL. It must be finished. */
struct order *orders_take(void);
void orders_finish(struct order *order, int status);

#endif
