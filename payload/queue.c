#include "payload/queue.h"

#include "payload/descriptor.h"
#include "payload/protocol.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/turn_away.h"

#include <string.h>
#include <sys/resource.h>

struct client {
    struct descriptor socket;
    struct ucred peer;
    bool told;
    uint64_t tell_at; /* ms: until then it may be a client of frames that has not spoken yet */
};

static struct {
    struct client clients[QUEUE_MAX]; /* in the order in which they came */
    size_t count;
} state;

static size_t most(void)
{
    struct rlimit limit;
    if (SYS_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0) < 0)
        return QUEUE_MAX;
    return limit.rlim_cur / 16 < QUEUE_MAX ? limit.rlim_cur / 16 : QUEUE_MAX;
}

bool queue_add(int fd, const struct ucred *peer)
{
    if (state.count >= most())
        return false;
    state.clients[state.count++] = (struct client){
        .socket = descriptor_take(fd),
        .peer = *peer,
        .tell_at = sys_now_ms() + MANHOLE_GREETING_MS,
    };
    return true;
}

static void remove_at(size_t index)
{
    state.count--;
    memmove(&state.clients[index], &state.clients[index + 1],
            (state.count - index) * sizeof(state.clients[0]));
}

size_t queue_events(struct pollfd fds[QUEUE_MAX])
{
    /* What the others send stays in their sockets; that they leave (POLLHUP) comes in any case. */
    for (size_t i = 0; i < state.count; i++)
        fds[i] = (struct pollfd){.fd = state.clients[i].socket.fd,
                                 .events = state.clients[i].told ? 0 : POLLIN};
    return state.count;
}

long queue_timeout(void)
{
    uint64_t now = sys_now_ms();
    long timeout = -1;
    for (size_t i = 0; i < state.count; i++) {
        const struct client *client = &state.clients[i];
        long left = client->tell_at > now ? (long)(client->tell_at - now) : 0;
        if (!client->told && (timeout < 0 || left < timeout))
            timeout = left;
    }
    return timeout;
}

enum speaks { NOTHING, TEXT, FRAMES };

/* What it said so far, which it may still say to who serves it. */
static enum speaks what_it_speaks(const struct client *client)
{
    char said[sizeof(MANHOLE_UPGRADE) - 1];
    long size = SYS_CALL(SYS_recvfrom, client->socket.fd, said, sizeof(said),
                         MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    if (size < 0)
        return NOTHING;
    if (!size || memcmp(said, MANHOLE_UPGRADE, (size_t)size) != 0)
        return TEXT;
    return (size_t)size == sizeof(said) ? FRAMES : NOTHING;
}

/* False when it does not stay. */
static bool tell(struct client *client, size_t number, const char *busy)
{
    char line[256];
    enum speaks speaks = what_it_speaks(client);
    if (speaks == FRAMES) {
        text_format(line, sizeof(line), "%s\n", busy);
        turn_away(&client->socket, line);
        return false;
    }
    if (speaks == NOTHING && sys_now_ms() < client->tell_at)
        return true;
    size_t size =
        text_format(line, sizeof(line), "%s; you are number %zu in the queue\n", busy, number);
    sys_send(client->socket.fd, line, size); /* it fits into an empty buffer */
    client->told = true;
    return true;
}

void queue_step(const struct pollfd *fds, size_t count, const char *busy)
{
    for (size_t i = state.count; i-- > 0;) { /* from the end: one that leaves moves those behind */
        short events = i < count ? fds[i].revents : 0;
        if (events & (POLLHUP | POLLERR | POLLNVAL) ||
            !descriptor_intact(&state.clients[i].socket)) {
            descriptor_close(&state.clients[i].socket);
            remove_at(i);
        }
    }
    for (size_t i = 0; i < state.count;) {
        if (state.clients[i].told || tell(&state.clients[i], i + 1, busy))
            i++;
        else
            remove_at(i);
    }
}

bool queue_take(int *fd, struct ucred *peer)
{
    while (state.count) {
        struct client client = state.clients[0];
        remove_at(0);
        if (!descriptor_intact(&client.socket))
            continue;
        *fd = client.socket.fd;
        *peer = client.peer;
        return true;
    }
    return false;
}

void queue_close(const char *why)
{
    while (state.count)
        turn_away(&state.clients[--state.count].socket, why);
}

void queue_forget(void)
{
    while (state.count)
        descriptor_close(&state.clients[--state.count].socket);
}
