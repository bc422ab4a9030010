#include "payload/stream.h"

#include "payload/proc.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>
#include <sys/ioctl.h>

#define BIT(signal) (1ull << ((signal)-1))

/* --- What is a stream. --- */

/* Room for the kernel's struct termios (asm-generic/termbits.h), which has 36 bytes. */
static bool is_terminal(int fd)
{
    char termios[128];
    int number;
    return SYS_CALL(SYS_ioctl, fd, TCGETS, termios, 0, 0, 0) == 0 &&
           SYS_CALL(SYS_ioctl, fd, TIOCGPTN, &number, 0, 0, 0) != 0; /* that is a pty's master */
}

static bool is_null_device(const struct stat *status)
{
    /* /dev/null: Documentation/admin-guide/devices.txt, major 1, minor 3. */
    return S_ISCHR(status->st_mode) && status->st_rdev == (1 << 8 | 3);
}

/* A local stream that nobody reads from at this end, as systemd's journal gives to services: not a
   connection of a service that inetd or the like has started. */
static bool is_log_socket(int fd)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(domain);
    SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size, 0);
    size = sizeof(type);
    SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size, 0);
    struct pollfd one = {.fd = fd, .events = POLLRDHUP};
    return domain == AF_UNIX && type == SOCK_STREAM && sys_poll(&one, 1, 0) == 1 &&
           (one.revents & (POLLRDHUP | POLLHUP)) == POLLRDHUP;
}

/* Locks of fcntl(2) are gone as soon as any descriptor of the file is closed: ours, for instance.
   proc(5), fdinfo. */
static bool is_locked(int fd)
{
    char path[64], text[1024];
    text_format(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    if (proc_read(path, text, sizeof(text)) <= 0)
        return true; /* who knows */
    for (const char *line = text; line; line = text_find(line, '\n'))
        if (text_begins(line += *line == '\n', "lock:"))
            return true;
    return false;
}

static bool classify(int fd, const struct stat *status, enum stream_original *how)
{
    long flags = sys_fcntl(fd, F_GETFL, 0);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || flags & O_PATH)
        return false;
    *how = ORIGINAL_PLAIN;
    if (is_null_device(status))
        return true;
    if (S_ISREG(status->st_mode))
        return (flags & O_ACCMODE) == O_WRONLY && !is_locked(fd);
    if (S_ISFIFO(status->st_mode)) {
        *how = ORIGINAL_PIPE;
        return (flags & O_ACCMODE) == O_WRONLY;
    }
    if (S_ISSOCK(status->st_mode)) {
        *how = ORIGINAL_SOCKET;
        return is_log_socket(fd);
    }
    *how = ORIGINAL_TERMINAL;
    return S_ISCHR(status->st_mode) && is_terminal(fd);
}

/* --- Opening. --- */

static struct descriptor take_or_none(long fd)
{
    return fd < 0 ? DESCRIPTOR_NONE : descriptor_take((int)fd);
}

/* The same file, opened for ourselves: flags of our own, which the program does not share. */
static struct descriptor open_again(int fd, int flags)
{
    char path[40];
    text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    return take_or_none(sys_move_high(sys_open(path, flags | O_NONBLOCK | O_NOCTTY, 0)));
}

static bool follow(struct stream *stream, int fd, const struct stat *status)
{
    stream->source = open_again(fd, O_RDONLY);
    if (stream->source.fd < 0)
        return false;
    long position = SYS_CALL(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
    bool appends = sys_fcntl(fd, F_GETFL, 0) & O_APPEND;
    stream->position = appends || position < 0 ? (uint64_t)status->st_size : (uint64_t)position;
    stream->kind = STREAM_FOLLOWED;
    return true;
}

static bool open_pipe(struct descriptor ends[2], int flags)
{
    int fds[2];
    if (SYS_CALL(SYS_pipe2, fds, O_CLOEXEC | flags, 0, 0, 0, 0) < 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        ends[i] = take_or_none(sys_move_high(fds[i]));
    if (ends[0].fd >= 0 && ends[1].fd >= 0)
        return true;
    descriptor_close(&ends[0]);
    descriptor_close(&ends[1]);
    return false;
}

static bool open_original(struct stream *stream, int fd)
{
    bool may_wait = stream->how == ORIGINAL_TERMINAL || stream->how == ORIGINAL_PIPE;
    if (may_wait)
        stream->original = open_again(fd, O_WRONLY);
    stream->shared = stream->original.fd < 0;
    if (stream->shared)
        stream->original = take_or_none(sys_duplicate_high(fd));
    if (stream->original.fd < 0)
        return false;
    return !stream->shared || stream->how != ORIGINAL_PIPE ||
           open_pipe(stream->staging, O_NONBLOCK);
}

/* `from` takes the place of `fd`, which stays close-on-exec if it was. */
static bool replace(int from, int fd)
{
    long flags = sys_fcntl(fd, F_GETFD, 0);
    return flags >= 0 &&
           SYS_CALL(SYS_dup3, from, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0, 0, 0, 0) == fd;
}

static bool take_place(struct stream *stream, int from, int fd)
{
    struct descriptor *saved = &stream->saved[fd - 1];
    *saved = take_or_none(sys_duplicate_high(fd));
    if (saved->fd >= 0 && replace(from, fd))
        return true;
    descriptor_close(saved);
    return false;
}

/*
 * In packet mode a read(2) gives what one write(2) of up to PIPE_BUF bytes wrote: so lines that
 * several processes write to the original are not torn here either (pipe(2), O_DIRECT). The
 * program's O_NONBLOCK holds for the pipe too.
 */
static bool tap(struct stream *stream, int fd)
{
    struct descriptor ends[2];
    long flags = sys_fcntl(fd, F_GETFL, 0);
    if (!open_pipe(ends, O_DIRECT) && !open_pipe(ends, 0))
        return false;
    stream->source = ends[0];
    sys_fcntl(ends[0].fd, F_SETFL, sys_fcntl(ends[0].fd, F_GETFL, 0) | O_NONBLOCK);
    if (flags & O_NONBLOCK)
        sys_fcntl(ends[1].fd, F_SETFL, sys_fcntl(ends[1].fd, F_GETFL, 0) | O_NONBLOCK);
    bool done = open_original(stream, fd) && take_place(stream, ends[1].fd, fd);
    descriptor_close(&ends[1]);
    if (done)
        stream->kind = STREAM_TEED;
    return done;
}

static void reset(struct stream *stream)
{
    stream->kind = STREAM_UNUSED;
    stream->source = stream->original = DESCRIPTOR_NONE;
    stream->pending_size = 0;
    for (size_t i = 0; i < 2; i++)
        stream->saved[i] = stream->staging[i] = DESCRIPTOR_NONE;
}

bool stream_open(struct stream *stream, int fd)
{
    struct stat status;
    reset(stream);
    if (sys_fstat(fd, &status) < 0 || !classify(fd, &status, &stream->how))
        return false;
    if ((S_ISREG(status.st_mode) && follow(stream, fd, &status)) || tap(stream, fd))
        return true;
    stream_close(stream);
    return false;
}

static bool is_same_file(const struct descriptor *one, const struct stat *other)
{
    return one->device == other->st_dev && one->inode == other->st_ino;
}

bool stream_join(struct stream *stream, int fd)
{
    struct stat status;
    if (sys_fstat(fd, &status) < 0)
        return false;
    if (stream->kind == STREAM_FOLLOWED)
        return is_same_file(&stream->source, &status);
    enum stream_original how;
    if (stream->kind != STREAM_TEED || !is_same_file(&stream->original, &status) ||
        !classify(fd, &status, &how))
        return false;
    /* The pipe is behind the descriptor that it has taken already. */
    return take_place(stream, stream->saved[0].fd >= 0 ? 1 : 2, fd);
}

/* --- Taking. --- */

/* splice(2) does not wait if told so, whatever the flags of the descriptors. What does not go is
   taken out again: it is in `pending` too. */
static long write_by_splice(struct stream *stream)
{
    if (!descriptor_intact(&stream->staging[0]) || !descriptor_intact(&stream->staging[1]))
        return -EBADF;
    long staged = sys_write(stream->staging[1].fd, stream->pending, stream->pending_size);
    if (staged < 0)
        return staged;
    long moved = SYS_CALL(SYS_splice, stream->staging[0].fd, NULL, stream->original.fd, NULL,
                          staged, SPLICE_F_NONBLOCK);
    char ignored[PIPE_BUF];
    if (moved < staged)
        sys_read(stream->staging[0].fd, ignored, (size_t)(staged - (moved > 0 ? moved : 0)));
    return moved;
}

static long write_some(struct stream *stream)
{
    struct pollfd one = {.fd = stream->original.fd, .events = POLLOUT};
    if (!descriptor_intact(&stream->original))
        return -EBADF;
    if (stream->how == ORIGINAL_SOCKET)
        return sys_send(stream->original.fd, stream->pending, stream->pending_size);
    if (stream->how == ORIGINAL_PIPE && stream->shared)
        return write_by_splice(stream);
    if (stream->how == ORIGINAL_TERMINAL && stream->shared && sys_poll(&one, 1, 0) != 1)
        return -EAGAIN;
    return sys_write(stream->original.fd, stream->pending, stream->pending_size);
}

/* A pipe that nobody reads raises SIGPIPE in the thread that writes, which may not block it. */
static long write_quietly(struct stream *stream)
{
    if (stream->how != ORIGINAL_PIPE)
        return write_some(stream);
    uint64_t broken = BIT(SIGPIPE), before = 0;
    struct timespec now = {0, 0};
    SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &broken, &before, sizeof(broken), 0, 0);
    long written = write_some(stream);
    if (written == -EPIPE)
        SYS_CALL(SYS_rt_sigtimedwait, &broken, NULL, &now, sizeof(broken), 0, 0);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before), 0, 0);
    return written;
}

/* False when the rest has to wait. What the original refuses for good is lost, as it would be
   without us. */
static bool write_pending(struct stream *stream)
{
    while (stream->pending_size) {
        long written = write_quietly(stream);
        if (written == -EINTR)
            continue;
        if (written == -EAGAIN)
            return false;
        if (written <= 0)
            written = (long)stream->pending_size;
        stream->pending_size -= (size_t)written;
        memmove(stream->pending, stream->pending + written, stream->pending_size);
    }
    return true;
}

static long read_followed(struct stream *stream)
{
    struct stat status;
    int fd = stream->source.fd;
    if (sys_fstat(fd, &status) == 0 && (uint64_t)status.st_size < stream->position)
        stream->position = 0; /* it was emptied */
    long got =
        SYS_CALL(SYS_pread64, fd, stream->pending, sizeof(stream->pending), stream->position, 0, 0);
    if (got > 0)
        stream->position += (uint64_t)got;
    return got;
}

enum stream_state stream_step(struct stream *stream,
                              void (*take)(void *context, const char *data, size_t size),
                              void *context)
{
    if (!descriptor_intact(&stream->source))
        return STREAM_ENDED;
    bool follows = stream->kind == STREAM_FOLLOWED;
    if (!follows && !write_pending(stream))
        return STREAM_STUCK;
    long got = follows ? read_followed(stream)
                       : sys_read(stream->source.fd, stream->pending, sizeof(stream->pending));
    if (got <= 0)
        return follows || got == -EAGAIN || got == -EINTR ? STREAM_EMPTY : STREAM_ENDED;
    char piece[PIPE_BUF];
    memcpy(piece, stream->pending, (size_t)got);
    stream->pending_size = follows ? 0 : (size_t)got;
    bool written = write_pending(stream);
    if (take)
        take(context, piece, (size_t)got);
    return written ? STREAM_MORE : STREAM_STUCK;
}

struct pollfd stream_events(const struct stream *stream)
{
    struct pollfd events = {.fd = -1};
    if (stream->kind != STREAM_TEED)
        return events;
    events.fd = stream->pending_size ? stream->original.fd : stream->source.fd;
    events.events = stream->pending_size ? POLLOUT : POLLIN;
    return events;
}

/* --- The end. --- */

void stream_put_back(struct stream *stream)
{
    for (int i = 0; i < 2; i++) {
        struct stat status;
        bool ours = sys_fstat(i + 1, &status) == 0 && is_same_file(&stream->source, &status);
        if (ours && descriptor_intact(&stream->saved[i]))
            replace(stream->saved[i].fd, i + 1);
        descriptor_close(&stream->saved[i]);
    }
}

void stream_close(struct stream *stream)
{
    descriptor_close(&stream->source);
    descriptor_close(&stream->original);
    for (size_t i = 0; i < 2; i++) {
        descriptor_close(&stream->saved[i]);
        descriptor_close(&stream->staging[i]);
    }
    reset(stream);
}
