/* A pipe of ours: `in` is read, never waiting; `out` is written. */
#ifndef PAYLOAD_CHANNEL_H
#define PAYLOAD_CHANNEL_H

#include "payload/descriptor.h"

struct channel {
    struct descriptor in, out;
};

#define CHANNEL_NONE ((struct channel){DESCRIPTOR_NONE, DESCRIPTOR_NONE})

/* `flags`: O_NONBLOCK when whoever writes is not to wait either, or 0. False: no descriptors; what
   there is must be closed all the same. */
bool channel_open(struct channel *channel, int flags);
void channel_close(struct channel *channel);

#endif
