/*
 * Sockets that a manhole left behind: /tmp/manhole-N where nobody serves it any more, since the
 * process was killed, ran another program, or ended without its exit handlers.
 *
 * Who serves a socket is the kernel's word, not that of the number in the name, which may be one of
 * another pid namespace: connect(2) with a datagram socket finds the stream socket bound to this
 * very inode (EPROTOTYPE) or none (ECONNREFUSED), and calls nobody (net/unix/af_unix.c,
 * unix_find_bsd). Only our own /tmp is looked into: the one of another mount namespace may be a
 * file system that does not answer.
 */
#ifndef SRC_STALE_H
#define SRC_STALE_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum stale_fate {
    STALE_FOUND,   /* stale, and still there */
    STALE_REMOVED, /* it was stale */
    STALE_LEFT,    /* with the name of one, but not removed: `why` */
};

struct stale_socket {
    char path[64];
    pid_t pid; /* the number in the name */
    uid_t uid; /* the owner of the file */
    enum stale_fate fate;
    bool failed;   /* left although it should have gone */
    char why[128]; /* it is stale, or is left */
};

struct stale_sockets {
    struct stale_socket *sockets; /* ascending by pid */
    size_t count;
    size_t unknown; /* sockets of others that we may not ask about */
};

/*
 * Finds them; with `clean` also removes those of our own user (as root: of any), and tells what
 * else has such a name and why it stays, live sockets excepted. Never follows a symbolic link, and
 * removes only the inode of which the kernel said that nobody serves it.
 */
struct error *stale_find(bool clean, struct stale_sockets *ret) MUST_CHECK;
void stale_deinit(struct stale_sockets *sockets);
#define CLEANUP_STALE __attribute__((cleanup(stale_deinit)))

#endif
