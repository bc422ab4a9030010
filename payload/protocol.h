/*
 * What goes over the manhole's socket.
 *
 * A client that says nothing speaks text: after a grace of MANHOLE_GREETING_MS the server sends its
 * banner and a prompt, reads lines, and answers with text and a prompt. `nc -U` is such a client.
 *
 * A client whose first line is MANHOLE_UPGRADE speaks frames: the server answers with the line
 * MANHOLE_UPGRADED (everything before it is to be thrown away by the client: it may be a banner),
 * and from then on both sides send frames only. A server that is busy sends a line that begins with
 * MANHOLE_BUSY. It then closes, unless it took the client for one of text: that one waits in a
 * queue, and is served when its turn comes. A refused peer gets a line that begins with
 * MANHOLE_REFUSED. When a command reads a line, it is the next one.
 *
 * A manhole whose connection_handler is "exec" says neither banner nor prompt to clients of text.
 * Each line is a command; its answer is blocks: a line of a word and a number N, and N bytes. Any
 * number of MANHOLE_BLOCK_OUTPUT, as the command prints, and one block of another word at the end,
 * with a line of text (without newline) that says why it is not MANHOLE_BLOCK_OK. The session ends
 * with a MANHOLE_BLOCK_BYE.
 */
#ifndef MANHOLE_PROTOCOL_H
#define MANHOLE_PROTOCOL_H

#include <stdint.h>

#define MANHOLE_UPGRADE "\001MANHOLE 1 frames\n"
#define MANHOLE_UPGRADED "\001MANHOLE 1 frames ok\n"
#define MANHOLE_BUSY "manhole: busy"
#define MANHOLE_REFUSED "manhole: permission denied"
#define MANHOLE_GREETING_MS 100

#define MANHOLE_BLOCK_OUTPUT "output"
#define MANHOLE_BLOCK_OK "ok"
#define MANHOLE_BLOCK_FAILED "failed"
#define MANHOLE_BLOCK_FAULTED "faulted"
#define MANHOLE_BLOCK_INTERRUPTED "interrupted"
#define MANHOLE_BLOCK_UNKNOWN "unknown"
#define MANHOLE_BLOCK_BYE "bye"

/* Frames: this header in host byte order (both ends are one machine), then `length` bytes. */
struct manhole_frame {
    uint32_t length; /* bytes after the header, at most MANHOLE_FRAME_MAX */
    uint32_t type;   /* enum manhole_frame_type */
    uint32_t id;     /* chosen by the client in a request, repeated in each answer to it */
};

#define MANHOLE_FRAME_MAX (1u << 20)

enum manhole_frame_type {
    /* client to server */
    MANHOLE_RUN = 1,       /* one console command line, without newline */
    MANHOLE_READ = 2,      /* struct manhole_range: read memory, answered by DATA or RESULT */
    MANHOLE_INTERRUPT = 3, /* end the running command; answered by its RESULT */
    MANHOLE_COMPLETE =
        4,               /* a partial line: answered by OUTPUT, one completion a line, and RESULT */
    MANHOLE_DETACH = 5,  /* goodbye: the server closes after BYE */
    MANHOLE_LOAD = 6,    /* struct manhole_load, then an image: puts code into memory */
    MANHOLE_UNLOAD = 7,  /* struct manhole_range, of which the address counts: takes it away */
    MANHOLE_EXECUTE = 8, /* uint64_t: calls the function void (void) at that address of it */
    MANHOLE_WRITE = 9,   /* struct manhole_range, then as many bytes: writes them to memory */
    MANHOLE_PYTHON = 10, /* struct manhole_python, then UTF-8: has Python evaluate it */
    MANHOLE_PYTHON_COMPLETE = 11, /* a partial line of Python: answered as COMPLETE is */
    /* The answer to a WANT_INPUT: the line, with its newline; nothing: the end of the input */
    MANHOLE_INPUT = 12,

    /* server to client */
    MANHOLE_HELLO = 64,  /* the banner, text; sent once after the upgrade */
    MANHOLE_OUTPUT = 65, /* bytes for the user, at any time while a command runs */
    MANHOLE_RESULT = 66, /* struct manhole_result, then a line of text: the command ended */
    MANHOLE_DATA = 67,   /* bytes of memory, may be fewer than asked */
    MANHOLE_BYE = 68,    /* the session ends; text says why */
    /* struct manhole_fault, then uint64_t: before the RESULT of an EXECUTE that faulted or was cut
       off, what was being executed, innermost first: a program counter, then return addresses */
    MANHOLE_FAULT = 69,
    /* Before the RESULT of a PYTHON: the name of a type, NUL, and the repr() of the value */
    MANHOLE_VALUE = 70,
    MANHOLE_TRACEBACK = 71, /* the same: what Python prints of an exception, lines of text */
    /* The running PYTHON reads a line, and waits for an INPUT. Any other request of the client's
       says that there is none */
    MANHOLE_WANT_INPUT = 72,
};

/* What a PYTHON asks for. Where no interpreter is, the outcome is UNKNOWN. */
enum manhole_python_mode {
    /* one statement, as at a prompt: INCOMPLETE when it goes on in the next line */
    MANHOLE_PYTHON_STATEMENT = 0,
    MANHOLE_PYTHON_SCRIPT = 1, /* any number of statements, one after another */
    MANHOLE_PYTHON_PROBE = 2,  /* no text: whether there is a Python console; it is not entered */
    MANHOLE_PYTHON_GREET = 3,  /* no text: the stacks of Python's threads, and its banner */
};

struct manhole_python {
    uint32_t mode;  /* enum manhole_python_mode */
    uint32_t flags; /* MANHOLE_PYTHON_VALUE, MANHOLE_PYTHON_INPUT */
};

/* The value that is displayed last comes as a VALUE; without it, as OUTPUT like all others. */
#define MANHOLE_PYTHON_VALUE 1
/* The client answers a WANT_INPUT; without it, who reads has the end of input. */
#define MANHOLE_PYTHON_INPUT 2

struct manhole_range {
    uint64_t address;
    uint64_t size; /* bytes */
};

/* Code and data that were made for an address; what the image does not fill is zero. */
struct manhole_load {
    uint64_t address, size; /* bytes; multiples of the page size, of 4096 */
    uint64_t code_size;     /* of the part that is executed, from the start on; the rest is data */
    uint64_t flags;         /* MANHOLE_KEEP */
};

/* It stays when the session ends: the program may have been given its address. */
#define MANHOLE_KEEP 1

enum manhole_outcome {
    MANHOLE_DONE = 0,
    MANHOLE_FAILED = 1,      /* the command was refused or failed: the text says why */
    MANHOLE_FAULTED = 2,     /* the code it ran took a signal */
    MANHOLE_INTERRUPTED = 3, /* by INTERRUPT */
    MANHOLE_UNKNOWN = 4,     /* no such command */
    MANHOLE_INCOMPLETE = 5,  /* of a PYTHON: more lines must follow */
    MANHOLE_NO_GIL = 6,      /* of a PYTHON: Python's lock was not to be had in time */
};

struct manhole_result {
    uint32_t outcome; /* enum manhole_outcome */
    int32_t signal;   /* of FAULTED, else 0 */
};

struct manhole_fault {
    uint64_t address; /* that the fault is about; 0 without one */
    uint32_t has_address;
    uint32_t count; /* of what follows */
};

#endif
