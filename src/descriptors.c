#include "src/descriptors.h"

#include "injector/cleanup.h"
#include "src/sockets.h"
#include "src/syscall_arguments.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a list, no more are shown. */
#define SHOWN 4
/* More descriptors than this are not looked through for the other end of a pipe. */
#define ENDS_MAX 4096

struct end {
    int fd;
    uint64_t pipe; /* inode */
};

struct descriptors {
    const struct process *process;
    struct sockets *sockets; /* NULL: not read yet */
    struct end *ends;        /* of all pipes */
    size_t end_count;
    bool ends_read, ends_cut;
};

struct descriptors *descriptors_create(const struct process *process)
{
    struct descriptors *descriptors = calloc(1, sizeof(*descriptors));
    if (descriptors)
        descriptors->process = process;
    return descriptors;
}

void descriptors_destroy(struct descriptors *descriptors)
{
    if (!descriptors)
        return;
    sockets_destroy(descriptors->sockets);
    free(descriptors->ends);
    free(descriptors);
}

bool descriptors_link(const struct descriptors *descriptors, int fd, char *buffer, size_t size)
{
    char name[32];
    snprintf(name, sizeof(name), "fd/%d", fd);
    return fd >= 0 && process_read_link(descriptors->process, 0, name, buffer, size) >= 0;
}

/* The text of fdinfo/N (proc(5)); malloc'ed, or NULL. */
static char *read_info(const struct descriptors *descriptors, int fd)
{
    char name[32], *text = NULL;
    snprintf(name, sizeof(name), "fdinfo/%d", fd);
    return process_read_file(descriptors->process, 0, name, &text) > 0 ? text : NULL;
}

static uint64_t number_in(const char *info, const char *field, int base)
{
    char value[64];
    return process_text_field(info, field, value, sizeof(value)) ? strtoull(value, NULL, base) : 0;
}

uint64_t descriptors_inode(struct descriptors *descriptors, int fd)
{
    CLEANUP_FREE char *info = read_info(descriptors, fd);
    return info ? number_in(info, "ino", 10) : 0;
}

static bool describe_socket(struct descriptors *descriptors, uint64_t inode, struct text *text)
{
    char words[512];
    if (!descriptors->sockets)
        descriptors->sockets = sockets_read(descriptors->process);
    if (!descriptors->sockets ||
        !sockets_describe(descriptors->sockets, inode, words, sizeof(words)))
        return false;
    text_add(text, "%s", words);
    return true;
}

/* --- Pipes. --- */

static bool pipe_of(const struct descriptors *descriptors, int fd, uint64_t *ret)
{
    char link[64];
    return descriptors_link(descriptors, fd, link, sizeof(link)) &&
           sscanf(link, "pipe:[%" SCNu64 "]", ret) == 1;
}

/* By number, up to the slots that the kernel has for them (proc(5), FDSize). */
static void read_ends(struct descriptors *descriptors)
{
    char size[32];
    descriptors->ends_read = true;
    descriptors->ends = calloc(ENDS_MAX, sizeof(*descriptors->ends));
    int slots = process_status_field(descriptors->process, 0, "FDSize", size, sizeof(size))
                    ? atoi(size)
                    : INT_MAX;
    descriptors->ends_cut = !descriptors->ends || slots > ENDS_MAX;
    for (int fd = 0; fd < slots && !descriptors->ends_cut; fd++) {
        uint64_t pipe;
        if (pipe_of(descriptors, fd, &pipe))
            descriptors->ends[descriptors->end_count++] = (struct end){fd, pipe};
    }
}

/* Whether it is open for reading, writing or both: O_ACCMODE of open(2). */
static int mode_of(const struct descriptors *descriptors, int fd)
{
    CLEANUP_FREE char *info = read_info(descriptors, fd);
    return info ? (int)(number_in(info, "flags", 8) & O_ACCMODE) : -1;
}

static bool describe_pipe(struct descriptors *descriptors, int fd, uint64_t pipe, struct text *text)
{
    size_t found = 0;
    int mode = mode_of(descriptors, fd);
    if (!descriptors->ends_read)
        read_ends(descriptors);
    if (descriptors->ends_cut || mode < 0 || mode == O_RDWR)
        return false;
    text_add(text, "a pipe whose other end ");
    for (size_t i = 0; i < descriptors->end_count; i++) {
        const struct end *end = &descriptors->ends[i];
        if (end->pipe != pipe || mode_of(descriptors, end->fd) == mode)
            continue;
        if (found++ < SHOWN)
            text_add(text, "%s %d", found == 1 ? "is fd" : " and", end->fd);
    }
    if (found > SHOWN)
        text_add(text, " and %zu more", found - SHOWN);
    text_add(text, "%s of this process", found ? "" : "is no descriptor");
    return true;
}

/* --- Descriptors without a file (fdinfo of proc(5), Documentation/filesystems/proc.rst). --- */

static bool describe_timer(const char *info, struct text *text)
{
    char value[64];
    long long seconds, nanoseconds;
    if (!process_text_field(info, "it_value", value, sizeof(value)) ||
        sscanf(value, "(%lld, %lld)", &seconds, &nanoseconds) != 2)
        return false;
    if (seconds == 0 && nanoseconds == 0) {
        text_add(text, "a timer that is not set");
        return true;
    }
    text_add(text, "a timer that expires in ");
    text_add_duration(text, seconds, nanoseconds);
    return true;
}

static size_t count_lines(const char *info, const char *beginning)
{
    size_t count = 0;
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    }
    return count;
}

static bool describe_inotify(const char *info, struct text *text)
{
    size_t count = count_lines(info, "inotify wd:");
    text_add(text, "an inotify of %zu file%s", count, count == 1 ? "" : "s");
    return true;
}

static bool describe_counter(const char *info, struct text *text)
{
    text_add(text, "an event counter at %" PRIu64, number_in(info, "eventfd-count", 16));
    return true;
}

static bool describe(struct descriptors *descriptors, int fd, bool epoll_too, struct text *text);

/* What it watches, "tfd: N" line by line; an epoll in an epoll is not followed. */
static bool describe_epoll(struct descriptors *descriptors, const char *info, struct text *text)
{
    size_t count = count_lines(info, "tfd:"), shown = 0;
    text_add(text, "an epoll of %zu descriptor%s", count, count == 1 ? "" : "s");
    for (const char *line = info; line && shown < SHOWN; line = strchr(line, '\n')) {
        int fd;
        char link[256];
        line += *line == '\n';
        if (sscanf(line, "tfd: %d", &fd) != 1)
            continue;
        text_add(text, "%s %d ", shown++ ? ";" : ":", fd);
        if (!describe(descriptors, fd, false, text))
            text_add(text, "%s",
                     descriptors_link(descriptors, fd, link, sizeof(link)) ? link : "(closed)");
    }
    if (count > shown)
        text_add(text, "; and %zu more", count - shown);
    return true;
}

static bool describe_anonymous(struct descriptors *descriptors, int fd, const char *type,
                               bool epoll_too, struct text *text)
{
    CLEANUP_FREE char *info = read_info(descriptors, fd);
    if (!info)
        return false;
    if (strcmp(type, "[timerfd]") == 0)
        return describe_timer(info, text);
    if (strcmp(type, "[eventfd]") == 0)
        return describe_counter(info, text);
    if (strcmp(type, "inotify") == 0)
        return describe_inotify(info, text);
    if (strcmp(type, "[eventpoll]") == 0 && epoll_too)
        return describe_epoll(descriptors, info, text);
    return false;
}

static bool describe(struct descriptors *descriptors, int fd, bool epoll_too, struct text *text)
{
    static const char anonymous[] = "anon_inode:";
    char link[256];
    uint64_t inode;
    size_t before = text->used;
    if (!descriptors_link(descriptors, fd, link, sizeof(link)))
        return false;
    bool known = false;
    if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
        known = describe_socket(descriptors, inode, text);
    else if (sscanf(link, "pipe:[%" SCNu64 "]", &inode) == 1)
        known = describe_pipe(descriptors, fd, inode, text);
    else if (strncmp(link, anonymous, strlen(anonymous)) == 0)
        known = describe_anonymous(descriptors, fd, link + strlen(anonymous), epoll_too, text);
    if (!known) {
        text->used = before;
        text->buffer[before] = '\0';
    }
    return known;
}

bool descriptors_describe(struct descriptors *descriptors, int fd, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    buffer[0] = '\0';
    return describe(descriptors, fd, true, &text);
}
