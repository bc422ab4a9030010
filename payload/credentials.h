/* Who is at the other end of a client's socket, and whether that one may come in. */
#ifndef PAYLOAD_CREDENTIALS_H
#define PAYLOAD_CREDENTIALS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Root, and whoever this process is at this moment (its effective user). The kernel reports uids as
 * seen from our user namespace; 65534 stands for those that have no place in it, and is then nobody
 * we know.
 */
bool credentials_suffice(const struct ucred *peer);

#endif
