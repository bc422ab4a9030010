/*
 * Where the manhole of a process is, seen from outside: by its maps, its descriptors and the
 * kernel's table of UNIX sockets. Nothing is stopped, changed or connected to. Needs no more than
 * the right to read /proc/PID/maps (PTRACE_MODE_READ, proc(5)), not the right to trace; of one that
 * sleeps nothing is known without the right to read memory.
 */
#ifndef SRC_LOCATE_H
#define SRC_LOCATE_H

#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A socket path is at most sun_path long (unix(7)). */
#define SOCKET_PATH_MAX 109

struct manhole_place {
    bool loaded;                       /* libmanhole is mapped: installed, or inert */
    bool listening;                    /* it has a listening socket: `socket_path` */
    char socket_path[SOCKET_PATH_MAX]; /* as the process itself names it; "": not known */
    struct timespec since;             /* when that socket was made; 0: not known */
    size_t session_count;              /* clients that are connected, served or waiting */
    bool sleeps;                       /* it has no socket before it is woken, by its own word */
    uint64_t wakes_on;                 /* of one that sleeps: bit n - 1 for signal n */
    uint64_t session_inode;            /* of the socket that one of them is served at; 0: none */
};

/* Errors: ERROR_NOT_PERMITTED (explained), ERROR_NO_PROCESS. */
struct error *locate_manhole(const struct process *process, struct manhole_place *ret) MUST_CHECK;

/*
 * The threads that the manhole runs on, by its own word, as /proc has them: up to
 * MANHOLE_THREADS_MAX of payload/manhole.h. False: it cannot be asked. Needs the right to read
 * memory.
 */
bool locate_threads(const struct process *process, pid_t *ret, size_t *count);

#endif
