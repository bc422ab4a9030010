/*
 * A bounded buffer between what the program prints and a client who may not read: nobody waits for
 * the client. What does not fit is dropped, and a notice stands where it is missing.
 */
#ifndef PAYLOAD_RELAY_H
#define PAYLOAD_RELAY_H

#include "payload/output.h"

#include <poll.h>

#define RELAY_BYTES (64u << 10)

struct relay {
    struct output to; /* only who it is, and how it is spoken to */
    bool dead;        /* the client is gone */
    bool open_line;   /* the last byte was no newline */
    uint64_t dropped; /* bytes, not yet said */
    size_t start, size;
    char head[OUTPUT_HEAD_BYTES]; /* of the block that is being sent */
    size_t head_start, head_size;
    size_t block_left; /* bytes of it in `bytes` */
    char bytes[RELAY_BYTES];
};

/* Begins to serve the client of `output`, which must not be used until relay_finish. */
void relay_begin(struct relay *relay, const struct output *output);

/* Adds what was printed. For a client of plain text, whose terminal nobody guards, control bytes
   other than newlines and tabs are escaped. */
void relay_add(struct relay *relay, const char *data, size_t size);

/* What to wait for; `fd` is -1 when there is nothing to send. */
struct pollfd relay_events(const struct relay *relay);
/* Sends what the client takes at once. */
void relay_step(struct relay *relay);

/* Sends the rest through `output`, on the worker, who may wait for the client. */
void relay_finish(struct relay *relay, struct output *output);

#endif
