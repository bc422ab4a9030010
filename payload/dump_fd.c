/* manhole_dump_stacktraces: the stacks to any descriptor, without waiting for who reads it. */
#include "payload/descriptor.h"
#include "payload/dump.h"
#include "payload/manhole.h"
#include "payload/registers.h"
#include "payload/sys.h"

#define WRITE_MS 2000
/* A pipe that polls as writable takes so many bytes at once (pipe(7), PIPE_BUF). */
#define PIECE_BYTES 4096

static const struct dump_limits limits = {2000, SIZE_MAX, 16u << 20};

struct sink {
    int fd;
    bool is_socket;
    uint64_t until; /* ms */
};

/* 0: try again; else bytes, or a negated errno. */
static long write_some(const struct sink *sink, const char *text, size_t size)
{
    struct pollfd one = {.fd = sink->fd, .events = POLLOUT};
    uint64_t now = sys_now_ms();
    if (now >= sink->until)
        return -ETIMEDOUT;
    long ready = sys_poll(&one, 1, (long)(sink->until - now));
    if (ready <= 0)
        return ready == 0 ? -ETIMEDOUT : ready == -EINTR ? 0 : ready;
    size = size < PIECE_BYTES ? size : PIECE_BYTES;
    long written =
        sink->is_socket ? sys_send(sink->fd, text, size) : sys_write(sink->fd, text, size);
    return written == -EAGAIN || written == -EINTR ? 0 : written;
}

static int write_all(const struct sink *sink, const char *text, size_t size)
{
    while (size) {
        long written = write_some(sink, text, size);
        if (written < 0)
            return (int)-written;
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

/* A SIGPIPE for a pipe without reader comes to the thread that writes: it is taken back, unless
   there was one before. */
static int write_quietly(const struct sink *sink, const char *text, size_t size)
{
    uint64_t pipe = UINT64_C(1) << (SIGPIPE - 1), before, pending = 0;
    struct timespec now = {0, 0};
    SYS_CALL(SYS_rt_sigpending, &pending, sizeof(pending), 0, 0, 0, 0);
    SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof(pipe), 0, 0);
    int status = write_all(sink, text, size);
    if (status == EPIPE && !(pending & pipe))
        SYS_CALL(SYS_rt_sigtimedwait, &pipe, NULL, &now, sizeof(pipe), 0, 0);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before), 0, 0);
    return status;
}

int manhole_dump_stacktraces(int fd)
{
    struct registers own = {.known = arch_registers_kept | UINT64_C(1) << arch_register_pc |
                                     UINT64_C(1) << arch_register_sp};
    arch_own_registers(own.value);
    struct stat status;
    long result = sys_fstat(fd, &status);
    if (result >= 0)
        result = descriptor_of_our_own(fd, &status);
    if (result < 0)
        return (int)-result;
    struct sink sink = {.fd = (int)result, .is_socket = S_ISSOCK(status.st_mode)};
    struct dump dump;
    int error = dump_make(&limits, &own, &dump);
    sink.until = sys_now_ms() + WRITE_MS;
    if (!error)
        error = write_quietly(&sink, dump.text, dump.size);
    if (!error && dump.cut)
        error = ENOMEM;
    dump_deinit(&dump);
    sys_close(sink.fd);
    return error;
}
