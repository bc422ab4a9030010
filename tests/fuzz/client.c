/* What a manhole says to manhole-attach, which may be root: lines, then frames. */
// PARTS: src/message.c src/peer_user.c
#include "src/client.c"
#include "tests/fuzz/fuzz.h"

#define PATIENCE_US 1000000

/* The server has said all that it ever says before it is heard. */
static struct client *connect_to(const uint8_t *data, size_t size)
{
    int ends[2];
    struct client *client = client_create(NULL, "fuzz");
    if (!client || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        abort();
    client->fd = ends[0];
    /* What the kernel does not take in one piece never comes. */
    if (send(ends[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && size)
        abort();
    close(ends[1]);
    return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client *client = connect_to(data, size);
    struct client_frame frame;
    size_t bytes = 0;
    struct error *error = client_greet(client, deadline_after_us(PATIENCE_US));
    if (!error && strlen(client_banner(client)) > size)
        abort();
    if (!error)
        error = client_send(client, MANHOLE_RUN, "help", 4, NULL);
    while (!error && !(error = client_wait(client, deadline_after_us(PATIENCE_US), &frame))) {
        uint8_t *copy = fuzz_bytes((const uint8_t *)frame.data, frame.size);
        free(copy);
        bytes += frame.size;
    }
    if (!error || bytes > size || error->kind == ERROR_DEADLINE)
        abort();
    error_destroy(error);
    client_destroy(client);
    return 0;
}
