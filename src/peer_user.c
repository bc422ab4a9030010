#include "src/peer_user.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool in_our_user_namespace(const struct process *process)
{
    char theirs[64], ours[64];
    ssize_t size = readlink("/proc/self/ns/user", ours, sizeof(ours));
    return size <= 0 || process_read_link(process, 0, "ns/user", theirs, sizeof(theirs)) != size ||
           memcmp(ours, theirs, (size_t)size) == 0;
}

/* The effective user in a line "real effective saved filesystem" of status (proc(5)). */
static bool effective_user(const struct process *process, uid_t *ret)
{
    char value[64];
    return process_status_field(process, 0, "Uid", value, sizeof(value)) &&
           sscanf(value, "%*u %u", ret) == 1;
}

static int connect_now(int fd, const struct sockaddr *address, socklen_t size)
{
    return connect(fd, address, size) == 0 ? 0 : errno;
}

int peer_user_connect(const struct process *process, int fd, const struct sockaddr *address,
                      socklen_t size)
{
    uid_t user;
    if (!process || geteuid() != 0 || in_our_user_namespace(process) ||
        !effective_user(process, &user) || seteuid(user) != 0)
        return connect_now(fd, address, size);
    int status = connect_now(fd, address, size);
    if (seteuid(0) != 0)
        abort(); /* root is our real user all the while: that cannot be refused */
    return status;
}
