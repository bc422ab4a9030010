/*
 * System calls by name, through arch_syscall: each returns what the kernel returns, a negated errno
 * on failure. Only those that every 64-bit Linux architecture has.
 */
#ifndef PAYLOAD_SYS_H
#define PAYLOAD_SYS_H

#include "payload/arch/arch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#define SYS_CALL(number, a, b, c, d, e, f) \
    arch_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* For calls that return addresses, the upper half of which look negative too: -4095 to -1 are
   errors (MAX_ERRNO, include/linux/err.h). */
static inline bool sys_is_error(long result)
{
    return result < 0 && result >= -4095;
}

static inline pid_t sys_getpid(void)
{
    return (pid_t)SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline pid_t sys_gettid(void)
{
    return (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static inline uid_t sys_geteuid(void)
{
    return (uid_t)SYS_CALL(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_close(int fd)
{
    return SYS_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_open(const char *path, int flags, mode_t mode)
{
    return SYS_CALL(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode, 0, 0);
}

static inline long sys_read(int fd, void *buffer, size_t size)
{
    return SYS_CALL(SYS_read, fd, buffer, size, 0, 0, 0);
}

static inline long sys_write(int fd, const void *buffer, size_t size)
{
    return SYS_CALL(SYS_write, fd, buffer, size, 0, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long argument)
{
    return SYS_CALL(SYS_fcntl, fd, command, argument, 0, 0, 0);
}

static inline long sys_readlink(const char *path, char *buffer, size_t size)
{
    return SYS_CALL(SYS_readlinkat, AT_FDCWD, path, buffer, size, 0, 0);
}

static inline long sys_lstat(const char *path, struct stat *status)
{
    return SYS_CALL(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW, 0, 0);
}

static inline long sys_fstat(int fd, struct stat *status)
{
    return SYS_CALL(SYS_fstat, fd, status, 0, 0, 0, 0);
}

static inline long sys_unlink(const char *path)
{
    return SYS_CALL(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}

/* Waits at most `timeout_ms` (negative: without limit). EINTR cannot happen to our threads, except
   by a stop: callers look again at what they wait for. */
static inline long sys_poll(struct pollfd *fds, unsigned count, long timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    return SYS_CALL(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0, 0);
}

static inline long sys_recv(int fd, void *buffer, size_t size)
{
    return SYS_CALL(SYS_recvfrom, fd, buffer, size, MSG_DONTWAIT, NULL, NULL);
}

/* Never waits, never raises SIGPIPE. */
static inline long sys_send(int fd, const void *buffer, size_t size)
{
    return SYS_CALL(SYS_sendto, fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* Descriptors of ours begin here: 0 to 2 are the program's, and low ones are expected by those that
   close one to open another. */
#define SYS_FIRST_FD 100

/* A duplicate of `fd` out of the program's way, close-on-exec; or a negated errno. */
static inline long sys_duplicate_high(int fd)
{
    long high = sys_fcntl(fd, F_DUPFD_CLOEXEC, SYS_FIRST_FD);
    /* EINVAL: RLIMIT_NOFILE is below that. */
    return high == -EINVAL ? sys_fcntl(fd, F_DUPFD_CLOEXEC, 3) : high;
}

/*
 * Moves `fd` (which may be negative: then it is returned) out of the way. When there is no room it
 * stays where it is, unless that is a place of the program's: then it is closed.
 */
static inline long sys_move_high(long fd)
{
    if (fd < 0)
        return fd;
    long high = sys_duplicate_high((int)fd);
    if (high < 0 && fd > 2)
        return fd;
    sys_close((int)fd);
    return high;
}

/* Monotonic time in milliseconds. */
static inline uint64_t sys_now_ms(void)
{
    struct timespec now = {0, 0};
    SYS_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &now, 0, 0, 0, 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void sys_sleep_ms(unsigned milliseconds)
{
    sys_poll(NULL, 0, milliseconds);
}

#endif
