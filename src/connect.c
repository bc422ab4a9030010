#include "src/connect.h"

#include "injector/deadline.h"
#include "src/message.h"

#include <unistd.h>

/* The kernel's word on who listens: a path alone proves nothing. */
static void tell_owner(const char *path, const struct ucred *peer)
{
    char clean[512];
    message_sanitize(path, clean, sizeof(clean));
    if (peer->uid != geteuid())
        message_note("%s: served by process %d of uid %u", clean, peer->pid, peer->uid);
}

static struct error *open_by_socket(const char *path, struct connection *ret)
{
    struct error *error =
        client_connect(NULL, path, deadline_after_us(CONNECT_TIMEOUT_US), &ret->client);
    if (error)
        return error;
    const struct ucred *peer = client_peer(ret->client);
    tell_owner(path, peer);
    if (peer->pid > 0) {
        CLEANUP_ERROR struct error *unseen = process_open(peer->pid, &ret->process);
        /* The process may be out of our sight (hidepid); the console works all the same. */
        if (unseen)
            ret->process = NULL;
    }
    client_set_process(ret->client, ret->process);
    return NULL;
}

struct error *connection_open(const struct target *target, struct connection *ret)
{
    *ret = (struct connection){0};
    if (target->pid)
        return process_open(target->pid, &ret->process);
    return open_by_socket(target->socket_path, ret);
}

void connection_deinit(struct connection *connection)
{
    client_destroy(connection->client);
    if (connection->process)
        process_close(connection->process);
    *connection = (struct connection){0};
}
