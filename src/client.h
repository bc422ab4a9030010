/*
 * One connection to a manhole: the socket, who serves it, and the frames of payload/protocol.h. No
 * call waits without a deadline, and none writes more than the socket takes.
 */
#ifndef SRC_CLIENT_H
#define SRC_CLIENT_H

#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/process.h"
#include "payload/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct client;

/*
 * Connects to the socket `path`. With a process: the path as that process sees it (its root and
 * mount namespace), and the server must be that process, proved by SO_PEERCRED: the kernel's record
 * of who called listen(2). Without (NULL): the path as we see it. `process` is borrowed.
 *
 * Errors: ERROR_STATE (no such socket, or nobody serves it any more, or somebody else does),
 * ERROR_NOT_PERMITTED, ERROR_USAGE (not a socket), ERROR_DEADLINE.
 */
struct error *client_connect(const struct process *process, const char *path, deadline_t deadline,
                             struct client **ret) MUST_CHECK;

/* Closes the connection; the server then ends what still runs. */
void client_destroy(struct client *client);

/* From now on the loss of the connection is told apart from the end of this process; borrowed. */
void client_set_process(struct client *client, const struct process *process);

/* Who serves: pid (0: not visible from our pid namespace), uid, gid. */
const struct ucred *client_peer(const struct client *client);

/*
 * Upgrades the connection to frames and waits for the banner. Errors: ERROR_STATE with the server's
 * own line when it is busy, ERROR_NOT_PERMITTED when it refuses us, ERROR_DEADLINE, and those of
 * client_lost.
 */
struct error *client_greet(struct client *client, deadline_t deadline) MUST_CHECK;

/* The server's banner, as it came: not yet safe for a terminal. Owned by the client. */
const char *client_banner(const struct client *client);

struct client_frame {
    uint32_t type; /* enum manhole_frame_type */
    uint32_t id;
    const char *data; /* not terminated; valid until the next call on the client */
    size_t size;      /* bytes */
};

/* Queues one frame and sends what the socket takes; sets *id (may be NULL) to its new number. */
struct error *client_send(struct client *client, enum manhole_frame_type type, const void *data,
                          size_t size, uint32_t *id) MUST_CHECK;

/* For poll(2): the descriptor, and the events to wait for. */
int client_fd(const struct client *client);
short client_events(const struct client *client);

/* Moves what can be moved without waiting, both ways. */
void client_pump(struct client *client);

/* The next whole frame that has arrived, or false. */
bool client_next(struct client *client, struct client_frame *ret);

/* The frame that was handed out last is handed out again. */
void client_unget(struct client *client);

/* True when nothing more will come: the other end closed, or sent what is no frame. */
bool client_closed(const struct client *client);

/* Waits for the next frame. ERROR_DEADLINE, or client_lost. */
struct error *client_wait(struct client *client, deadline_t deadline,
                          struct client_frame *ret) MUST_CHECK;

/*
 * Why a closed connection closed: ERROR_NO_PROCESS when the process ended (waits a moment for the
 * kernel to say so), else ERROR_STATE. Always an error.
 */
struct error *client_lost(struct client *client) MUST_CHECK;

#endif
