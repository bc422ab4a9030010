/*
 * From a target as the user named it to the process and its manhole: the first steps that several
 * verbs share.
 */
#ifndef SRC_CONNECT_H
#define SRC_CONNECT_H

#include "injector/error.h"
#include "injector/process.h"
#include "src/client.h"
#include "src/options.h"

struct connection {
    struct process *process; /* NULL: served from where we cannot see (another pid namespace) */
    struct client *client;   /* connected, not yet greeted; NULL when not asked for */
};

/*
 * A pid: opens the process; nothing is connected. A socket path: connects, says on standard error
 * whose it is when it is another user's than ours, and opens the process that serves it.
 */
struct error *connection_open(const struct target *target, struct connection *ret) MUST_CHECK;
void connection_deinit(struct connection *connection);
#define CLEANUP_CONNECTION __attribute__((cleanup(connection_deinit)))

/* How long a manhole may take to answer a connection, us. */
#define CONNECT_TIMEOUT_US 5000000

#endif
