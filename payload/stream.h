/*
 * An output stream of the program, its stdout or its stderr, while somebody wants to see what is
 * written to it. It stays whole, in order and with each write(2) of up to PIPE_BUF bytes in one
 * piece.
 *
 * A regular file is *followed*: read as it grows; the program's descriptor is not touched. Any
 * other stream is *teed*: a pipe takes the place of the descriptor, and what comes out of it goes
 * to the original first. Nothing here waits: not for the original, not for anybody.
 */
#ifndef PAYLOAD_STREAM_H
#define PAYLOAD_STREAM_H

#include "payload/descriptor.h"

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How often a file that is followed should be looked at, ms. */
#define STREAM_FOLLOW_MS 20

enum stream_kind { STREAM_UNUSED, STREAM_FOLLOWED, STREAM_TEED };

/*
 * How the original of a teed stream is written to without waiting. O_NONBLOCK belongs to the open
 * file, which the program shares: so pipes and terminals are opened once more for ourselves. Where
 * that is not allowed (the program has changed its user since), the program's own is shared.
 */
enum stream_original {
    ORIGINAL_PLAIN,    /* files and /dev/null: they never wait */
    ORIGINAL_PIPE,     /* shared: splice(2) from a pipe of ours, with SPLICE_F_NONBLOCK */
    ORIGINAL_SOCKET,   /* MSG_DONTWAIT */
    ORIGINAL_TERMINAL, /* shared: poll(2) is asked first */
};

/* All zero is one that is not in use. */
struct stream {
    enum stream_kind kind;
    struct descriptor source;   /* the file itself, or the pipe's read end */
    uint64_t position;          /* followed: what was read so far */
    struct descriptor original; /* teed: where it goes */
    enum stream_original how;
    bool shared;                  /* `original` is the program's own open file */
    struct descriptor saved[2];   /* teed: what stdout and stderr are put back to */
    struct descriptor staging[2]; /* the ends of the pipe to splice from */
    size_t pending_size;          /* read, and not yet written to the original */
    char pending[PIPE_BUF];
};

/*
 * Begins to look at `fd`, 1 or 2. False, and nothing changed, when it is no output stream: closed,
 * or used for something else (a connection, a device, a file that is read or locked too), or when
 * there are no descriptors for it.
 */
bool stream_open(struct stream *stream, int fd);

/* Both are the same file: then `fd` joins it. */
bool stream_join(struct stream *stream, int fd);

enum stream_state {
    STREAM_EMPTY, /* nothing more at this moment */
    STREAM_MORE,
    STREAM_STUCK, /* the original takes nothing at this moment */
    STREAM_ENDED, /* nobody can write to the pipe any more */
};

/* Takes the next piece of what was printed, after the original has it; `take` may be NULL. */
enum stream_state stream_step(struct stream *stream,
                              void (*take)(void *context, const char *data, size_t size),
                              void *context);

/* What to wait for; `fd` is -1 for a file. */
struct pollfd stream_events(const struct stream *stream);

/* Teed: what stdout and stderr were is put back, unless the program has put something else there
   meanwhile. What is in the pipe still has to be taken. */
void stream_put_back(struct stream *stream);

/* Closes what is ours; the stream is not in use any more. */
void stream_close(struct stream *stream);

/*
 * A pipe that another process still holds gets a process of its own that copies it to the original
 * to its end (cat(1), where there is one): then closes ours.
 */
void stream_bequeath(struct stream *stream);

#endif
