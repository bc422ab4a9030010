/*
 * Who we are to a manhole. It sees our effective user as its user namespace knows it, and the root
 * of another namespace is nobody there (user_namespaces(7): the overflow uid).
 */
#ifndef SRC_PEER_USER_H
#define SRC_PEER_USER_H

#include "injector/process.h"

#include <sys/socket.h>

/*
 * connect(2). Root connects to a process of another user namespace as that process's own user, and
 * is itself again when it returns. 0 or an errno.
 */
int peer_user_connect(const struct process *process, int fd, const struct sockaddr *address,
                      socklen_t size);

#endif
