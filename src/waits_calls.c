/* What a thread waits for in other calls than futex(2): descriptors, children, time. */
#include "injector/cleanup.h"
#include "src/descriptors.h"
#include "src/waits_private.h"

#include <ctype.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Of several, no more are shown. */
#define SHOWN 4

struct descriptors *wait_descriptors(struct search *search)
{
    if (!search->descriptors)
        search->descriptors = descriptors_create(search->report->process);
    return search->descriptors;
}

/* --- Descriptors. --- */

static void read_descriptor(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    char words[1024];
    struct descriptors *descriptors = wait_descriptors(search);
    wait->kind = WAIT_DESCRIPTOR;
    if (descriptors && descriptors_describe(descriptors, (int)arguments[0], words, sizeof(words)))
        wait_add_detail(wait, "%s", words);
}

/* The first ones of a poll, as far as there is more to say than their links. */
static void read_poll(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    struct pollfd fds[SHOWN];
    char words[512];
    struct descriptors *descriptors = wait_descriptors(search);
    size_t count = arguments[1] < SHOWN ? (size_t)arguments[1] : SHOWN;
    size_t size = count * sizeof(fds[0]);
    wait->kind = WAIT_DESCRIPTOR;
    if (!descriptors || remote_read(search->report->process, arguments[0], fds, size) != size)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!descriptors_describe(descriptors, fds[i].fd, words, sizeof(words)))
            continue;
        if (arguments[1] == 1)
            wait_add_detail(wait, "%s", words);
        else
            wait_add_detail(wait, "fd %d %s", fds[i].fd, words);
    }
}

static void read_select(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    (void)search, (void)arguments; /* the head of the thread lists them with their links */
    wait->kind = WAIT_DESCRIPTOR;
}

/* --- Children. --- */

/* The children of one thread as we see them, oldest first (proc(5), task/TID/children). */
static size_t read_children(const struct search *search, pid_t tid, pid_t *children, size_t max)
{
    CLEANUP_FREE char *text = NULL;
    size_t count = 0;
    if (process_read_file(search->report->process, tid, "children", &text) <= 0)
        return 0;
    for (char *at = text; isdigit((unsigned char)*at) && count < max; count++) {
        children[count] = (pid_t)strtol(at, &at, 10);
        at += strspn(at, " \n");
    }
    return count;
}

static void add_state(const struct search *search, pid_t pid, struct wait *wait)
{
    char path[32], state[64];
    CLEANUP_FREE char *status = NULL;
    snprintf(path, sizeof(path), "%d/status", pid);
    if (process_read_system_file(search->report->process, path, &status) > 0 &&
        process_text_field(status, "State", state, sizeof(state)))
        wait_add_detail(wait, "in state %s", state);
}

static void set_child(const struct search *search, pid_t pid, struct wait *wait)
{
    wait_set_process(search, pid, &wait->owner);
    add_state(search, pid, wait);
}

#define CHILDREN_MAX 1024

/* Any child will do: the first of them by name. Of very many, some are not counted. */
static void list_children(const struct search *search, struct wait *wait)
{
    pid_t children[CHILDREN_MAX];
    size_t total = 0;
    for (size_t i = 0; i < search->report->thread_count && total < CHILDREN_MAX; i++)
        total += read_children(search, search->report->threads[i].thread->tid, children + total,
                               CHILDREN_MAX - total);
    wait_add_detail(wait, total == CHILDREN_MAX ? "any of more than %zu %s" : "any of %zu %s",
                    total, total == 1 ? "child" : "children");
    for (size_t i = 0; i < total && i < SHOWN; i++) {
        struct wait_owner child;
        wait_set_process(search, children[i], &child);
        wait_add_detail(wait, "%d \"%s\"", child.pid, child.name);
    }
}

/* Ids are those of the target's own pid namespace, which are ours or nothing that helps. */
static void read_wait4(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    pid_t pid = (pid_t)arguments[0];
    wait->kind = WAIT_CHILD;
    if (pid == -1)
        list_children(search, wait);
    else if (pid > 0 && !search->nested)
        set_child(search, pid, wait);
}

static void read_waitid(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    wait->kind = WAIT_CHILD;
    if ((int)arguments[0] == P_ALL)
        list_children(search, wait);
    else if ((int)arguments[0] == P_PID && !search->nested)
        set_child(search, (pid_t)arguments[1], wait);
}

/* A thread that waits in vfork(2) has made no child since. */
static void read_vfork(struct search *search, pid_t tid, struct wait *wait)
{
    pid_t children[CHILDREN_MAX];
    size_t count = read_children(search, tid, children, CHILDREN_MAX);
    if (count == 0 || count == CHILDREN_MAX)
        return;
    wait->kind = WAIT_CHILD;
    set_child(search, children[count - 1], wait);
    wait_add_detail(wait, "to execute a program or end");
}

static void read_sleep(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    (void)search, (void)arguments; /* what is known of the time stands in the call */
    wait->kind = WAIT_TIME;
}

/* --- All of them. --- */

static const struct call_kind {
    const char *name;
    void (*read)(struct search *search, const uint64_t *arguments, struct wait *wait);
} calls[] = {
    {"accept", read_descriptor},
    {"accept4", read_descriptor},
    {"clock_nanosleep", read_sleep},
    {"connect", read_descriptor},
    {"epoll_pwait", read_descriptor},
    {"epoll_pwait2", read_descriptor},
    {"epoll_wait", read_descriptor},
    {"fcntl", wait_read_fcntl},
    {"flock", wait_read_flock},
    {"nanosleep", read_sleep},
    {"poll", read_poll},
    {"ppoll", read_poll},
    {"pselect6", read_select},
    {"read", read_descriptor},
    {"readv", read_descriptor},
    {"recvfrom", read_descriptor},
    {"recvmmsg", read_descriptor},
    {"recvmsg", read_descriptor},
    {"select", read_select},
    {"sendmmsg", read_descriptor},
    {"sendmsg", read_descriptor},
    {"sendto", read_descriptor},
    {"wait4", read_wait4},
    {"waitid", read_waitid},
    {"write", read_descriptor},
    {"writev", read_descriptor},
};

void wait_read_call(struct search *search, const struct report_thread *thread, const char *call,
                    struct wait *wait)
{
    const uint64_t *arguments = thread->thread->syscall_arguments;
    if (strcmp(call, "vfork") == 0 || (strcmp(call, "clone") == 0 && arguments[0] & CLONE_VFORK)) {
        read_vfork(search, thread->thread->tid, wait);
        return;
    }
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].name, call) == 0) {
            calls[i].read(search, arguments, wait);
            return;
        }
    }
}
