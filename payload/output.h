/*
 * What a command says: collected in a buffer and sent to the client, as text, as OUTPUT frames or
 * as blocks. The calling thread (the worker) waits for a client that does not read; after
 * OUTPUT_STALL_MS without progress the client is given up, and `dead` stays set.
 */
#ifndef PAYLOAD_OUTPUT_H
#define PAYLOAD_OUTPUT_H

#include "payload/descriptor.h"
#include "payload/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_STALL_MS 20000

/* protocol.h has them. */
enum output_form { OUTPUT_TEXT, OUTPUT_FRAMES, OUTPUT_BLOCKS };

struct output {
    struct descriptor socket;
    enum output_form form;
    uint32_t id;  /* of the request that is answered */
    bool dead;    /* the client is gone, or does not read */
    bool stalled; /* dead, because it does not read */
    size_t used;
    char buffer[4096];
};

void output_init(struct output *output, const struct descriptor *socket, enum output_form form,
                 uint32_t id);

/* False when nothing more should be said: the client is gone, or wants the command to end. */
bool output_wanted(const struct output *output);

void output_bytes(struct output *output, const void *data, size_t size);
void output_text(struct output *output, const char *text);
void output_format(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Text from elsewhere: what could act on a terminal is escaped. */
void output_clean(struct output *output, const char *text, size_t length);

/* What stands before `size` bytes of output on the wire; returns its size. */
#define OUTPUT_HEAD_BYTES 32
size_t output_head(const struct output *output, size_t size, char head[OUTPUT_HEAD_BYTES]);
/* Sends bytes as they are: nothing must be collected. */
void output_raw(struct output *output, const void *data, size_t size);

/* Sends what is collected. */
void output_flush(struct output *output);
/* Sends one block, after what is collected. */
void output_block(struct output *output, const char *word, const char *text);
/* Sends one frame of any type, after what is collected. */
void output_frame(struct output *output, enum manhole_frame_type type, const void *head,
                  size_t head_size, const void *data, size_t size);

#endif
