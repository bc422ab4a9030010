#include "payload/endpoint.h"

#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>
#include <sys/un.h>

/* Clients that come at once; the listener takes them at once too. */
#define BACKLOG 128

static int explain(int errnum, const char *path, const char *what, char *message, size_t size)
{
    char name[16];
    text_format(message, size, "%s: %s: %s", path, what, text_errno(errnum, name));
    return errnum;
}

/*
 * The mode comes from the socket's own inode, less the umask (net/unix/af_unix.c, unix_bind_bsd):
 * it is set before there is a file.
 */
static long make_socket(void)
{
    long fd = sys_move_high(
        SYS_CALL(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0));
    if (fd >= 0)
        SYS_CALL(SYS_fchmod, fd, 0600, 0, 0, 0, 0); /* checked by its effect, after bind */
    return fd;
}

static void fill_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    text_copy(address->sun_path, sizeof(address->sun_path), path);
}

/* Does nobody listen at `path` any more? 0, or why it must stay. */
static int check_abandoned(const struct sockaddr_un *address)
{
    long fd = make_socket();
    if (fd < 0)
        return (int)-fd;
    long status = SYS_CALL(SYS_connect, fd, address, sizeof(*address), 0, 0, 0);
    sys_close((int)fd);
    return status == -ECONNREFUSED ? 0 : EADDRINUSE;
}

/* Something is at `path`. Removes it if it is a socket of ours that nobody serves. */
static int remove_abandoned(const struct sockaddr_un *address, char *message, size_t size)
{
    const char *path = address->sun_path, *why = NULL;
    struct stat status, again;
    long result = sys_lstat(path, &status);
    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return explain((int)-result, path, "cannot be looked at", message, size);
    if (!S_ISSOCK(status.st_mode))
        why = "is there already, and is no socket";
    else if (status.st_uid != sys_geteuid())
        why = "is there already, and is another user's";
    else if (check_abandoned(address) != 0)
        why = "is there already, and somebody listens at it";
    else if (sys_lstat(path, &again) != 0 || again.st_ino != status.st_ino ||
             again.st_dev != status.st_dev)
        why = "is there already, and changes while we look";
    if (why) {
        text_format(message, size, "%s: %s: not touched", path, why);
        return EADDRINUSE;
    }
    result = sys_unlink(path);
    return result < 0
               ? explain((int)-result, path, "an old socket cannot be removed", message, size)
               : 0;
}

static int bind_socket(struct endpoint *endpoint, char *message, size_t size)
{
    struct sockaddr_un address;
    fill_address(&address, endpoint->path);
    long result = SYS_CALL(SYS_bind, endpoint->listening.fd, &address, sizeof(address), 0, 0, 0);
    if (result == -EADDRINUSE) {
        int status = remove_abandoned(&address, message, size);
        if (status)
            return status;
        result = SYS_CALL(SYS_bind, endpoint->listening.fd, &address, sizeof(address), 0, 0, 0);
    }
    if (result < 0)
        return explain((int)-result, endpoint->path, "cannot make the socket", message, size);

    struct stat status;
    result = sys_lstat(endpoint->path, &status);
    if (result < 0)
        return explain((int)-result, endpoint->path, "is gone at once", message, size);
    endpoint->owner = sys_getpid();
    endpoint->device = status.st_dev;
    endpoint->inode = status.st_ino;
    /* A umask that takes our own rights away. Only the owner of the file gets this far. */
    if ((status.st_mode & 0777) != 0600)
        SYS_CALL(SYS_fchmodat, AT_FDCWD, endpoint->path, 0600, 0, 0, 0);
    result = SYS_CALL(SYS_listen, endpoint->listening.fd, BACKLOG, 0, 0, 0, 0);
    if (result < 0)
        return explain((int)-result, endpoint->path, "cannot listen", message, size);
    return 0;
}

int endpoint_name(const char *path, char name[108], char *message, size_t message_size)
{
    if (!*path) {
        text_format(name, sizeof(((struct endpoint *)NULL)->path), "/tmp/manhole-%d", sys_getpid());
        return 0;
    }
    if (*path != '/') {
        text_format(message, message_size, "%s: not an absolute path", path);
        return EINVAL;
    }
    text_copy(name, sizeof(((struct endpoint *)NULL)->path), path);
    return 0;
}

int endpoint_open(struct endpoint *endpoint, const char *path, char *message, size_t message_size)
{
    *endpoint = ENDPOINT_NONE;
    text_copy(endpoint->path, sizeof(endpoint->path), path);
    long fd = make_socket();
    if (fd < 0)
        return explain((int)-fd, endpoint->path, "no socket", message, message_size);
    endpoint->listening = descriptor_take((int)fd);
    int status = bind_socket(endpoint, message, message_size);
    if (status)
        endpoint_close(endpoint);
    return status;
}

void endpoint_unlink(const struct endpoint *endpoint)
{
    struct stat status;
    if (endpoint->owner != sys_getpid() || sys_lstat(endpoint->path, &status) != 0 ||
        status.st_dev != endpoint->device || status.st_ino != endpoint->inode)
        return;
    sys_unlink(endpoint->path); /* if it cannot be removed any more, so be it */
}

void endpoint_close(struct endpoint *endpoint)
{
    endpoint_unlink(endpoint);
    /* A child that the program forked may hold it too: nobody shall wait there in vain. */
    if (endpoint->owner == sys_getpid() && descriptor_intact(&endpoint->listening))
        SYS_CALL(SYS_shutdown, endpoint->listening.fd, SHUT_RDWR, 0, 0, 0, 0);
    descriptor_close(&endpoint->listening);
}

void endpoint_forget(struct endpoint *endpoint)
{
    descriptor_close(&endpoint->listening);
    *endpoint = (struct endpoint){.listening = DESCRIPTOR_NONE};
}
