#include "payload/channel.h"

#include "payload/sys.h"

bool channel_open(struct channel *channel, int flags)
{
    int ends[2];
    *channel = CHANNEL_NONE;
    if (SYS_CALL(SYS_pipe2, ends, O_CLOEXEC | flags, 0, 0, 0, 0) < 0)
        return false;
    channel->in = descriptor_take((int)sys_move_high(ends[0]));
    channel->out = descriptor_take((int)sys_move_high(ends[1]));
    sys_fcntl(channel->in.fd, F_SETFL, O_NONBLOCK);
    return channel->in.fd >= 0 && channel->out.fd >= 0;
}

void channel_close(struct channel *channel)
{
    descriptor_close(&channel->out); /* first: who writes gets no SIGPIPE */
    descriptor_close(&channel->in);
}
