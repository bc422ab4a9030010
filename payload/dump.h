/*
 * The stacks of all threads as text, as python-manhole shows them: for a client that speaks text,
 * before its banner, and for any descriptor. Nobody is asked and nobody is stopped: see asleep.h.
 */
#ifndef PAYLOAD_DUMP_H
#define PAYLOAD_DUMP_H

#include <stdbool.h>
#include <stddef.h>

struct dump {
    char *text;
    size_t size, capacity; /* bytes */
    bool cut;              /* no memory for more */
};

struct dump_limits {
    unsigned milliseconds; /* no further thread is looked at after so long, ... */
    size_t threads;        /* ... or after so many */
    size_t bytes;          /* of text, about */
};

/* For a client that waits for its prompt. */
extern const struct dump_limits dump_for_prompt;

/*
 * Writes it. 0, or an errno: nothing could be read; dump_deinit in any case. `own`: the registers
 * of the calling thread, which is shown from there on; NULL: it is one of ours.
 */
struct registers;
int dump_make(const struct dump_limits *limits, const struct registers *own, struct dump *ret);
void dump_deinit(struct dump *dump);

#endif
