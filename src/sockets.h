/*
 * The sockets of a target's network namespace by inode: /proc/PID/net/{tcp,tcp6,udp,udp6,unix}
 * (proc(5)).
 */
#ifndef SRC_SOCKETS_H
#define SRC_SOCKETS_H

#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockets;

/* Reads the tables; those that cannot be read are missing. NULL without memory. */
struct sockets *sockets_read(const struct process *process);
void sockets_destroy(struct sockets *sockets);

/*
 * "tcp 127.0.0.1:4000 to 127.0.0.1:80, established", "unix stream /run/x, listening". Paths are not
 * sanitized. False: no socket of these kinds.
 */
bool sockets_describe(const struct sockets *sockets, uint64_t inode, char *buffer, size_t size);

#endif
