#include "payload/python_tee.h"

#include "payload/channel.h"
#include "payload/sys.h"

static struct {
    bool wanted, open;
    struct channel channel;
} state;

void python_tee_configure(bool wanted)
{
    state.wanted = wanted;
}

bool python_tee_open(void)
{
    state.open = state.wanted;
    return !state.wanted || channel_open(&state.channel, O_NONBLOCK);
}

void python_tee_close(void)
{
    if (state.open)
        channel_close(&state.channel);
    state.open = false;
}

int python_tee_fd(void)
{
    return state.open ? state.channel.out.fd : -1;
}

struct pollfd python_tee_events(void)
{
    bool intact = state.open && descriptor_intact(&state.channel.in);
    return (struct pollfd){.fd = intact ? state.channel.in.fd : -1, .events = POLLIN};
}

/* No more than fits into a pipe, so that it ends though others print on and on. */
void python_tee_forward(struct output *output)
{
    char bytes[4096];
    for (size_t i = 0; state.open && i < 16 && descriptor_intact(&state.channel.in); i++) {
        long got = sys_read(state.channel.in.fd, bytes, sizeof(bytes));
        if (got <= 0)
            return;
        output_bytes(output, bytes, (size_t)got);
        output_flush(output);
    }
}
