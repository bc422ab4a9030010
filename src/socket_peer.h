/*
 * Who is at the other end of a connected UNIX-domain socket of a target, as the kernel knows it:
 * sock_diag(7). Nothing runs in the target, and nothing of it is read but /proc.
 */
#ifndef SRC_SOCKET_PEER_H
#define SRC_SOCKET_PEER_H

#include "injector/process.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The inode of the socket to which one that the target accepted, `inode`, is connected; 0: not
 * known. That is when the kernel has no unix_diag, or the client is neither in our network
 * namespace nor in the target's or we may not enter that (CAP_SYS_ADMIN, setns(2)): what accept(2)
 * returns belongs to the namespace of the client (net/unix/af_unix.c, unix_stream_connect).
 */
uint64_t socket_peer(const struct process *process, uint64_t inode);

/*
 * Who holds a socket open, by its inode: the first of `pids` whose descriptors we may read and that
 * has it. 0: none of them.
 */
pid_t socket_holder(const pid_t *pids, size_t count, uint64_t inode);

#endif
