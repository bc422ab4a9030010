#include "src/client.h"

#include "injector/cleanup.h"
#include "src/message.h"
#include "src/no_answer.h"
#include "src/peer_user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* A server that has not upgraded after so many bytes is no manhole. One that took us for a client
   of text, because we came late, shows the stacks of all threads first. */
#define GREETING_MAX (4u << 20)
/* Requests that the server does not take; a stopped target reaches this, never a working one. */
#define OUTGOING_MAX ((size_t)2 * MANHOLE_FRAME_MAX)
/* A process that dies closes its sockets shortly before the kernel reports its end. */
#define DEATH_GRACE_US 1000000

struct buffer {
    char *data;
    size_t size, capacity; /* bytes */
};

struct client {
    const struct process *process; /* borrowed, or NULL */
    int fd;
    char *path; /* for messages */
    struct ucred peer;
    uint32_t last_id;
    struct buffer in, out;
    size_t consumed; /* bytes of `in` that the last client_next handed out */
    char *banner;
    bool closed;
    bool garbled; /* closed by us: what came was no frame */
};

static bool buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->size >= more)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity - buffer->size < more)
        capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static void buffer_drop(struct buffer *buffer, size_t count)
{
    memmove(buffer->data, buffer->data + count, buffer->size - count);
    buffer->size -= count;
}

static void deinit_buffers(struct client *client)
{
    free(client->in.data);
    free(client->out.data);
}

void client_destroy(struct client *client)
{
    if (!client)
        return;
    if (client->fd >= 0)
        close(client->fd);
    deinit_buffers(client);
    free(client->banner);
    free(client->path);
    free(client);
}

void client_set_process(struct client *client, const struct process *process)
{
    client->process = process;
}

const struct ucred *client_peer(const struct client *client)
{
    return &client->peer;
}

const char *client_banner(const struct client *client)
{
    return client->banner ? client->banner : "";
}

int client_fd(const struct client *client)
{
    return client->fd;
}

short client_events(const struct client *client)
{
    return (short)(POLLIN | (client->out.size ? POLLOUT : 0));
}

bool client_closed(const struct client *client)
{
    return client->closed;
}

/* Waits for events on one descriptor; false when the deadline passed. */
static bool wait_for(int fd, short events, deadline_t deadline)
{
    for (;;) {
        struct pollfd one = {.fd = fd, .events = events};
        uint64_t left = deadline_left_us(deadline);
        struct timespec timeout = {.tv_sec = (time_t)(left / 1000000),
                                   .tv_nsec = (long)(left % 1000000) * 1000};
        int ready = ppoll(&one, 1, &timeout, NULL);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/*
 * The socket as an O_PATH descriptor: connect(2) through /proc/self/fd/N then reaches exactly this
 * inode, however long the path is (sun_path holds 108 bytes, unix(7)). Below the root of a target
 * every symbolic link must be resolved inside that root, not ours: openat2(2), RESOLVE_IN_ROOT.
 */
static int open_socket_file(const struct process *process, const char *path)
{
    if (!process)
        return open(path, O_PATH | O_CLOEXEC);

    CLEANUP_CLOSE int root = process_open_file(process, 0, "root", O_PATH | O_DIRECTORY);
    if (root < 0)
        return -1;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (fd >= 0 || errno != ENOSYS)
        return fd;
    /* Before Linux 5.6: a symbolic link may lead elsewhere, and then the peer check refuses. */
    while (*path == '/')
        path++;
    return openat(root, path, O_PATH | O_CLOEXEC);
}

static struct error *explain_open(const struct process *process, const char *path, int errnum)
{
    if ((errnum == ENOENT || errnum == ENOTDIR) && process)
        return error_create(ERROR_STATE, errnum,
                            "%s: the socket of the manhole in process %d was removed; use "
                            "--replace to have a new one",
                            path, process->pid);
    if (errnum == ENOENT || errnum == ENOTDIR)
        return error_create(ERROR_NO_PROCESS, errnum,
                            "%s: no such socket; 'manhole-attach --list' shows those there are",
                            path);
    if (errnum == EACCES || errnum == EPERM) {
        if (process)
            return process_explain_refusal(process, "reach its files", errnum);
        return error_create(ERROR_NOT_PERMITTED, errnum,
                            "%s: a directory on the way is closed to us; run as its owner or as "
                            "root",
                            path);
    }
    return error_create(ERROR_STATE, errnum, "%s: cannot be opened: %s; give the path of a socket",
                        path, strerror(errnum));
}

static struct error *explain_connect(const char *path, const struct stat *status, int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return error_create(ERROR_STATE, errnum,
                            "%s: nobody serves this socket any more: whoever made it ended without "
                            "removing it; attach by pid, or remove the file",
                            path);
    case EACCES:
    case EPERM:
        return error_create(ERROR_NOT_PERMITTED, errnum,
                            "%s: the socket belongs to uid %u and is closed to others; run as that "
                            "user or as root",
                            path, status->st_uid);
    case EPROTOTYPE:
        return error_create(ERROR_USAGE, errnum,
                            "%s: a socket of another type, no manhole; 'manhole-attach --list' "
                            "shows the manholes there are",
                            path);
    default:
        return error_create(ERROR_STATE, errnum, "%s: cannot connect: %s; try again", path,
                            strerror(errnum));
    }
}

/* connect(2) to the inode behind `file`; a full backlog (EAGAIN, unix(7)) is waited out. */
static struct error *connect_file(struct client *client, int file, deadline_t deadline)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return explain_open(client->process, client->path, errno);
    if (!S_ISSOCK(status.st_mode))
        return error_create(client->process ? ERROR_STATE : ERROR_USAGE, 0,
                            "%s: not a socket; 'manhole-attach --list' shows the manholes there "
                            "are",
                            client->path);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return error_create(ERROR_PARTIAL, errno, "no socket of our own: %s; try again",
                            strerror(errno));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
    for (;;) {
        int errnum = peer_user_connect(client->process, client->fd, (struct sockaddr *)&address,
                                       sizeof(address));
        if (!errnum)
            return NULL;
        if (errnum == EINTR)
            continue;
        if (errnum != EAGAIN)
            return explain_connect(client->path, &status, errnum);
        if (deadline_passed(deadline))
            return error_create(ERROR_DEADLINE, EAGAIN,
                                "%s: the manhole does not accept connections: too many wait, or "
                                "the process is stopped; try again later",
                                client->path);
        poll(NULL, 0, 20);
    }
}

static struct error *check_peer(struct client *client)
{
    socklen_t size = sizeof(client->peer);
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &size) < 0)
        return error_create(ERROR_STATE, errno,
                            "%s: the kernel does not say who serves it: %s; not connected",
                            client->path, strerror(errno));
    if (client->process && client->peer.pid != client->process->pid)
        return error_create(ERROR_STATE, 0,
                            "%s: served by process %d (uid %u), not by process %d; not connected: "
                            "remove that socket, or install with --socket-path",
                            client->path, client->peer.pid, client->peer.uid, client->process->pid);
    return NULL;
}

/* Not connected yet; the path in it is for messages. NULL without memory. */
static struct client *client_create(const struct process *process, const char *path)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->fd = -1;
    client->process = process;
    size_t size = 4 * strlen(path) + 1;
    client->path = malloc(size);
    if (!client->path) {
        free(client);
        return NULL;
    }
    message_sanitize(path, client->path, size);
    return client;
}

static struct error *connect_path(struct client *client, const char *path, deadline_t deadline)
{
    CLEANUP_CLOSE int file = open_socket_file(client->process, path);
    if (file < 0)
        return explain_open(client->process, client->path, errno);
    struct error *error = connect_file(client, file, deadline);
    return error ? error : check_peer(client);
}

struct error *client_connect(const struct process *process, const char *path, deadline_t deadline,
                             struct client **ret)
{
    struct client *client = client_create(process, path);
    if (!client)
        return error_no_memory();
    struct error *error = connect_path(client, path, deadline);
    if (error)
        client_destroy(client);
    else
        *ret = client;
    return error;
}

static void send_pending(struct client *client)
{
    while (client->out.size && !client->closed) {
        ssize_t sent =
            send(client->fd, client->out.data, client->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            buffer_drop(&client->out, (size_t)sent);
        else if (sent < 0 && errno == EINTR)
            continue;
        else if (sent < 0 && errno == EAGAIN)
            return;
        else
            /* What the server still sent before it closed is read all the same. */
            client->out.size = 0;
    }
}

static void receive_pending(struct client *client)
{
    while (!client->closed) {
        /* Bounded: one whole frame is always enough to make progress with. */
        if (client->in.size > MANHOLE_FRAME_MAX + sizeof(struct manhole_frame))
            return;
        if (!buffer_reserve(&client->in, 16384)) {
            client->closed = true;
            return;
        }
        ssize_t got = recv(client->fd, client->in.data + client->in.size,
                           client->in.capacity - client->in.size, MSG_DONTWAIT);
        if (got > 0)
            client->in.size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            continue;
        else if (got < 0 && errno == EAGAIN)
            return;
        else
            client->closed = true;
    }
}

static void drop_consumed(struct client *client)
{
    if (!client->consumed)
        return;
    buffer_drop(&client->in, client->consumed);
    client->consumed = 0;
}

void client_pump(struct client *client)
{
    drop_consumed(client);
    send_pending(client);
    receive_pending(client);
}

bool client_next(struct client *client, struct client_frame *ret)
{
    drop_consumed(client);
    struct manhole_frame header;
    if (client->in.size < sizeof(header))
        return false;
    memcpy(&header, client->in.data, sizeof(header));
    if (header.length > MANHOLE_FRAME_MAX) {
        client->closed = client->garbled = true;
        client->in.size = 0;
        return false;
    }
    size_t whole = sizeof(header) + header.length;
    if (client->in.size < whole)
        return false;
    *ret = (struct client_frame){
        .type = header.type,
        .id = header.id,
        .data = client->in.data + sizeof(header),
        .size = header.length,
    };
    client->consumed = whole;
    return true;
}

void client_unget(struct client *client)
{
    client->consumed = 0;
}

struct error *client_send(struct client *client, enum manhole_frame_type type, const void *data,
                          size_t size, uint32_t *id)
{
    if (client->closed)
        return client_lost(client);
    if (size > MANHOLE_FRAME_MAX)
        return error_create(ERROR_USAGE, 0,
                            "a command of %zu bytes is longer than a manhole takes (%u); split it",
                            size, MANHOLE_FRAME_MAX);
    struct manhole_frame header = {
        .length = (uint32_t)size,
        .type = type,
        .id = ++client->last_id,
    };
    if (client->out.size + sizeof(header) + size > OUTGOING_MAX)
        return error_create(ERROR_DEADLINE, 0,
                            "%s: the manhole takes no more requests: the process is stopped, or "
                            "hangs; leave and look at it with --dump",
                            client->path);
    if (!buffer_reserve(&client->out, sizeof(header) + size))
        return error_no_memory();
    memcpy(client->out.data + client->out.size, &header, sizeof(header));
    if (size)
        memcpy(client->out.data + client->out.size + sizeof(header), data, size);
    client->out.size += sizeof(header) + size;
    if (id)
        *id = header.id;
    send_pending(client);
    return NULL;
}

struct error *client_lost(struct client *client)
{
    if (client->garbled)
        return error_create(ERROR_STATE, 0,
                            "%s: what came is not the protocol of a manhole: another version, or "
                            "another server; connection closed",
                            client->path);
    const struct process *process = client->process;
    if (process && process->pid_fd >= 0)
        wait_for(process->pid_fd, POLLIN, deadline_after_us(DEATH_GRACE_US));
    for (deadline_t end = deadline_after_us(process && process->pid_fd < 0 ? DEATH_GRACE_US : 0);
         process;) {
        struct error *error = process_check_alive(process);
        if (error)
            return error;
        if (deadline_passed(end))
            break;
        poll(NULL, 0, 10);
    }
    return error_create(ERROR_STATE, 0,
                        "%s: the manhole closed the connection: it was uninstalled, or took "
                        "another turn; attach again",
                        client->path);
}

struct error *client_wait(struct client *client, deadline_t deadline, struct client_frame *ret)
{
    for (;;) {
        if (client_next(client, ret))
            return NULL;
        if (client->closed)
            return client_lost(client);
        if (!wait_for(client->fd, client_events(client), deadline))
            return no_answer(client->process, client->path);
        client_pump(client);
    }
}

/* A line of plain text from a server that will not serve us: busy, refused; else NULL. */
static struct error *refusal_in(const char *text, size_t size)
{
    static const struct {
        const char *begins;
        enum error_kind kind;
    } refusals[] = {
        {MANHOLE_BUSY, ERROR_STATE},
        {MANHOLE_REFUSED, ERROR_NOT_PERMITTED},
    };
    for (const char *line = text, *end = text + size; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            break;
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
            size_t length = strlen(refusals[i].begins);
            if ((size_t)(newline - line) < length || memcmp(line, refusals[i].begins, length) != 0)
                continue;
            char raw[512], clean[512];
            snprintf(raw, sizeof(raw), "%.*s", (int)(newline - line), line);
            return error_create(refusals[i].kind, 0, "%s",
                                message_sanitize(raw, clean, sizeof(clean)));
        }
        line = newline + 1;
    }
    return NULL;
}

static struct error *upgrade(struct client *client, deadline_t deadline)
{
    if (!buffer_reserve(&client->out, strlen(MANHOLE_UPGRADE)))
        return error_no_memory();
    memcpy(client->out.data, MANHOLE_UPGRADE, strlen(MANHOLE_UPGRADE));
    client->out.size = strlen(MANHOLE_UPGRADE);
    for (;;) {
        client_pump(client);
        struct buffer *in = &client->in;
        char *answer = in->size
                           ? memmem(in->data, in->size, MANHOLE_UPGRADED, strlen(MANHOLE_UPGRADED))
                           : NULL;
        if (answer) {
            buffer_drop(in, (size_t)(answer - in->data) + strlen(MANHOLE_UPGRADED));
            return NULL;
        }
        struct error *error = in->size ? refusal_in(in->data, in->size) : NULL;
        if (error)
            return error;
        if (in->size > GREETING_MAX) {
            client->closed = client->garbled = true;
            return client_lost(client);
        }
        if (client->closed)
            return client_lost(client);
        if (!wait_for(client->fd, client_events(client), deadline))
            return no_answer(client->process, client->path);
    }
}

struct error *client_greet(struct client *client, deadline_t deadline)
{
    struct error *error = upgrade(client, deadline);
    while (!error) {
        struct client_frame frame = {0};
        error = client_wait(client, deadline, &frame);
        if (error || frame.type != MANHOLE_HELLO)
            continue;
        client->banner = strndup(frame.data, frame.size);
        return client->banner ? NULL : error_no_memory();
    }
    return error;
}
