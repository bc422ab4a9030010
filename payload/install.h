/* For other entries of the library than those that install: the lock that all of them take. */
#ifndef PAYLOAD_INSTALL_H
#define PAYLOAD_INSTALL_H

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

#endif
