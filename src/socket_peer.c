#include "src/socket_peer.h"

#include "injector/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

static int open_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* A netlink socket answers for the network namespace in which it was made. -1: not to be had. */
static int open_netlink_of(const struct process *process)
{
    CLEANUP_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int theirs = process_open_file(process, 0, "ns/net", O_RDONLY);
    if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET) < 0)
        return -1;
    int fd = open_netlink();
    if (setns(own, CLONE_NEWNET) == 0)
        return fd;
    /* Cannot be: who may enter another namespace may return to his own. */
    if (fd >= 0)
        close(fd);
    return -1;
}

/* unix_diag_get_exact (net/unix/diag.c): one socket by its inode, any cookie. */
static bool ask(int fd, uint32_t inode)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req body;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = AF_UNIX,
                 .udiag_states = UINT32_MAX,
                 .udiag_ino = inode,
                 .udiag_show = UDIAG_SHOW_PEER,
                 .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
    };
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
           sizeof(request);
}

static uint64_t peer_in_answer(const struct nlmsghdr *header, size_t size)
{
    if (!NLMSG_OK(header, size) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
        return 0; /* NLMSG_ERROR: no such socket, or no unix_diag */
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);
    size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        uint32_t peer;
        if (attribute->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(attribute) < sizeof(peer))
            continue;
        memcpy(&peer, RTA_DATA(attribute), sizeof(peer));
        return peer;
    }
    return 0;
}

static uint64_t ask_for_peer(int fd, uint32_t inode)
{
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } answer;
    if (fd < 0 || !ask(fd, inode))
        return 0;
    /* The kernel has answered when the request was taken: nothing to wait for. */
    ssize_t size = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
    return size > 0 ? peer_in_answer(&answer.header, (size_t)size) : 0;
}

uint64_t socket_peer(const struct process *process, uint64_t inode)
{
    if (inode > UINT32_MAX)
        return 0; /* a request has no room for it, and the kernel gives sockets none such */
    CLEANUP_CLOSE int here = open_netlink();
    uint64_t peer = ask_for_peer(here, (uint32_t)inode);
    if (peer)
        return peer;
    CLEANUP_CLOSE int there = open_netlink_of(process);
    return ask_for_peer(there, (uint32_t)inode);
}

static bool holds(pid_t pid, const char *link)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    CLEANUP_CLOSEDIR DIR *directory = opendir(path);
    if (!directory)
        return false;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char text[64];
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, text, sizeof(text) - 1);
        if (length <= 0)
            continue;
        text[length] = '\0';
        if (strcmp(text, link) == 0)
            return true;
    }
    return false;
}

pid_t socket_holder(const pid_t *pids, size_t count, uint64_t inode)
{
    char link[64];
    snprintf(link, sizeof(link), "socket:[%" PRIu64 "]", inode);
    for (size_t i = 0; i < count; i++)
        if (holds(pids[i], link))
            return pids[i];
    return 0;
}
