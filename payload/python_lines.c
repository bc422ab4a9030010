#include "payload/python_lines.h"

#include "payload/descriptor.h"
#include "payload/input.h"
#include "payload/session.h"
#include "payload/sys.h"

#include <string.h>

/* One message to Python: a mark, and a part of the line. */
#define PIECE_BYTES 4096
#define MARK_MORE '+'
#define MARK_LAST '.'
#define MARK_INTERRUPT '!'

static struct {
    struct descriptor ours, theirs;
    bool open;
    bool answers; /* the client does */
    bool wanted;  /* Python waits for a line */
    bool ended;   /* it is to have the end of input */
    size_t sent;  /* bytes of the line that came */
} state;

bool python_lines_open(void)
{
    int ends[2];
    state.ours = state.theirs = DESCRIPTOR_NONE;
    state.open =
        SYS_CALL(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends, 0, 0) == 0;
    if (!state.open)
        return false;
    state.ours = descriptor_take((int)sys_move_high(ends[0]));
    state.theirs = descriptor_take((int)sys_move_high(ends[1]));
    return state.ours.fd >= 0 && state.theirs.fd >= 0;
}

void python_lines_close(void)
{
    if (!state.open)
        return;
    descriptor_close(&state.ours);
    descriptor_close(&state.theirs);
    state.open = false;
}

int python_lines_fd(void)
{
    return state.theirs.fd;
}

static void drain(const struct descriptor *end)
{
    char bytes[PIECE_BYTES + 1];
    while (descriptor_intact(end) && sys_recv(end->fd, bytes, sizeof(bytes)) > 0)
        ;
}

void python_lines_begin(bool answers)
{
    drain(&state.ours);
    drain(&state.theirs);
    input_drop();
    state.answers = answers;
    state.wanted = false;
}

void python_lines_end(void)
{
    input_drop();
    state.wanted = false;
}

void python_lines_hang_up(void)
{
    descriptor_close(&state.ours);
    python_lines_end();
}

struct pollfd python_lines_events(void)
{
    const char *line;
    size_t size;
    bool sends = state.wanted && input_take(&line, &size);
    return (struct pollfd){.fd = descriptor_intact(&state.ours) ? state.ours.fd : -1,
                           .events = sends ? POLLIN | POLLOUT : POLLIN};
}

bool python_lines_asked(void)
{
    char byte;
    return descriptor_intact(&state.ours) && sys_recv(state.ours.fd, &byte, 1) == 1 &&
           !state.wanted;
}

void python_lines_want(struct output *output)
{
    state.wanted = true;
    state.sent = 0;
    state.ended = !state.answers || !session_connected();
    if (state.ended)
        return;
    if (output->form == OUTPUT_FRAMES)
        output_frame(output, MANHOLE_WANT_INPUT, NULL, 0, NULL, 0);
    input_ask();
}

static bool send_piece(char mark, const char *data, size_t size)
{
    char piece[PIECE_BYTES + 1];
    piece[0] = mark;
    if (size)
        memcpy(piece + 1, data, size);
    return descriptor_intact(&state.ours) &&
           sys_send(state.ours.fd, piece, size + 1) == (long)size + 1;
}

void python_lines_step(void)
{
    const char *line = "";
    size_t size = 0;
    if (!state.wanted || (!state.ended && !input_take(&line, &size)))
        return;
    for (bool last = false; !last;) {
        size_t left = size - state.sent;
        last = left <= PIECE_BYTES;
        size_t piece = last ? left : PIECE_BYTES;
        if (!send_piece(last ? MARK_LAST : MARK_MORE, line + state.sent, piece))
            return; /* when there is room again */
        state.sent += piece;
    }
    python_lines_end();
}

bool python_lines_interrupt(void)
{
    if (!state.wanted || !send_piece(MARK_INTERRUPT, NULL, 0))
        return false;
    state.wanted = false;
    input_interrupt();
    return true;
}
