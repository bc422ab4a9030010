#include "payload/pump.h"

#include "payload/output.h"
#include "payload/sys.h"

#include <stdbool.h>

/* One direction. A write of at most this many bytes does not wait where poll(2) says that there is
   room: pipe(7), PIPE_BUF. */
struct flow {
    int from, to;
    bool ended; /* nothing more will come, or be taken */
    size_t start, size;
    char bytes[4096];
};

static bool is_over(const struct flow *flow)
{
    return flow->ended && flow->start == flow->size;
}

static void take(struct flow *flow)
{
    long got = sys_read(flow->from, flow->bytes, sizeof(flow->bytes));
    if (got == -EAGAIN || got == -EINTR)
        return;
    flow->start = 0;
    flow->size = got > 0 ? (size_t)got : 0;
    flow->ended = got <= 0;
}

static void give(struct flow *flow)
{
    const char *bytes = flow->bytes + flow->start;
    size_t size = flow->size - flow->start;
    long done = sys_send(flow->to, bytes, size);
    if (done == -ENOTSOCK)
        done = sys_write(flow->to, bytes, size);
    if (done == -EAGAIN || done == -EINTR)
        return;
    flow->start += done > 0 ? (size_t)done : size;
    flow->ended |= done <= 0;
}

static void step(struct flow *flow, const struct pollfd *from, const struct pollfd *to)
{
    if (flow->start < flow->size) {
        if (to->revents)
            give(flow);
    } else if (!flow->ended && from->revents) {
        take(flow);
    }
}

void pump_run(int stream, int socket)
{
    struct flow in = {.from = stream, .to = socket}, out = {.from = socket, .to = stream};
    bool told = false;
    while (!is_over(&out)) {
        if (is_over(&in) && !told) {
            SYS_CALL(SYS_shutdown, socket, SHUT_WR, 0, 0, 0, 0);
            told = true;
        }
        bool in_full = in.start < in.size, out_full = out.start < out.size;
        struct pollfd fds[] = {
            {.fd = in.ended || in_full ? -1 : stream, .events = POLLIN},
            {.fd = in_full ? socket : -1, .events = POLLOUT},
            {.fd = out.ended || out_full ? -1 : socket, .events = POLLIN},
            {.fd = out_full ? stream : -1, .events = POLLOUT},
        };
        if (sys_poll(fds, 4, out.ended ? OUTPUT_STALL_MS : -1) == 0)
            return;
        step(&in, &fds[0], &fds[1]);
        step(&out, &fds[2], &fds[3]);
    }
}
