/* For other entries of the library than those that install: the lock that all of them take. */
#ifndef PAYLOAD_INSTALL_H
#define PAYLOAD_INSTALL_H

#include "payload/manhole.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Takes the lock, in a process that has a manhole. Otherwise, and when another thread installs for
 * too long, MANHOLE_NOT_INSTALLED or EBUSY, and the lock is not taken. install_leave gives it back,
 * with the line for manhole_last_message.
 */
int install_enter(void);
void install_leave(const char *message);

/* The listener opens its socket, if it has none: 0, ETIMEDOUT after start_timeout, or what bind(2)
   says, with a line in `message`. Between the two above. */
int install_activate(char *message, size_t message_size);

/*
 * As manhole_install, before main, when no other thread is there. A program that went on without a
 * manhole, because the machine had too much to do to start threads within start_timeout, would
 * never get one: the log gets a line, and the manhole comes late.
 */
int install_at_start(const struct manhole_options *options);

#endif
