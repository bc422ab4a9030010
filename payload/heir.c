/* A process of its own for a stream that outlives the manhole: someone else's child writes to it.
 */
#include "payload/stream.h"

#include "payload/sys.h"

#include <string.h>
#include <sys/wait.h>

/* Descriptors that a kernel without close_range(2) is asked to close, one by one. */
#define MANY_DESCRIPTORS 65536

static void set_blocking(int fd)
{
    sys_fcntl(fd, F_SETFL, sys_fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK);
}

static void copy_to_end(void)
{
    char bytes[PIPE_BUF];
    long got;
    while ((got = sys_read(0, bytes, sizeof(bytes))) > 0)
        if (sys_write(1, bytes, (size_t)got) < 0)
            return;
}

/* Of the program it keeps neither descriptors nor, where there is a cat(1), memory. */
__attribute__((noreturn)) static void be_heir(const struct stream *stream)
{
    static const char *const copiers[] = {"/bin/cat", "/usr/bin/cat"};
    char *const arguments[] = {(char[]){"cat"}, NULL}, *const environment[] = {NULL};
    uint64_t none = 0;
    SYS_CALL(SYS_dup3, stream->source.fd, 0, 0, 0, 0, 0);
    SYS_CALL(SYS_dup3, stream->original.fd, 1, 0, 0, 0, 0);
    set_blocking(0);
    if (!stream->shared)
        set_blocking(1); /* it was opened for us alone */
    if (stream->pending_size)
        sys_write(1, stream->pending, stream->pending_size);
    if (SYS_CALL(SYS_close_range, 2, ~0u, 0, 0, 0, 0) < 0)
        for (int fd = 2; fd < MANY_DESCRIPTORS; fd++)
            sys_close(fd);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none), 0, 0);
    for (size_t i = 0; i < 2; i++)
        SYS_CALL(SYS_execve, copiers[i], arguments, environment, 0, 0, 0);
    copy_to_end();
    for (;;)
        SYS_CALL(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* fork(2) without the C library and its handlers; the parent is told of no child's end. */
static long fork_quietly(void)
{
    return SYS_CALL(SYS_clone, 0, NULL, NULL, NULL, NULL, 0);
}

/* By a process that ends at once: so the program has no child that it does not know. */
void stream_bequeath(struct stream *stream)
{
    if (stream->kind == STREAM_TEED && descriptor_intact(&stream->source) &&
        descriptor_intact(&stream->original)) {
        long child = fork_quietly();
        if (child == 0) {
            if (fork_quietly() == 0)
                be_heir(stream);
            for (;;)
                SYS_CALL(SYS_exit_group, 0, 0, 0, 0, 0, 0);
        }
        if (child > 0)
            SYS_CALL(SYS_wait4, child, NULL, __WALL, NULL, 0, 0);
    }
    stream_close(stream);
}
