/*
 * One client's session with a manhole: commands sent one after another, their output to the user,
 * their results back. Shared by the terminal (console.h) and scripts (script.h).
 */
#ifndef SRC_SESSION_H
#define SRC_SESSION_H

#include "injector/error.h"
#include "src/client.h"
#include "src/symbol_names.h"
#include "src/terminal.h"

#include <stdbool.h>
#include <stdint.h>

/* What a request of Python answers with beside its output; malloc'ed, NULL: nothing. */
struct session_parts {
    char *value; /* the name of a type, NUL, the repr() of the value; and a NUL behind it */
    size_t value_size;
    char *traceback; /* not yet safe for a terminal */
};

/* How the user took it that a command reads a line. */
enum session_input {
    INPUT_LINE,        /* he gave one */
    INPUT_END,         /* the end of the input */
    INPUT_INTERRUPTED, /* Ctrl-C */
    INPUT_LEFT,        /* he is asked to end */
    INPUT_DISTURBED,   /* there is something else from the manhole, which may have gone on */
};

struct session {
    struct client *client;
    const struct process *process; /* NULL: out of sight */
    struct symbol_names *symbols;  /* for names that the manhole does not know; or NULL */
    struct terminal *out;
    int signal_fd;         /* a signalfd(2) with SIGINT, or -1: then signals do what they do */
    uint64_t max_pause_us; /* how long threads may be held (.frozen) */
    bool read_only;        /* what would write to the program, or call a function, is refused */
    struct session_parts *parts; /* where those of the running request go; NULL: nowhere */
    /* Reads a line for a command, with its newline, malloc'ed. NULL: commands read nothing. */
    enum session_input (*read_line)(void *reader, char **ret);
    void *reader;
};

/* What was executed when it was ended, by a signal or an interrupt. */
#define SESSION_STACK_MAX 32
struct session_fault {
    bool has_address;
    uint64_t address; /* that the fault is about, of SIGSEGV and SIGBUS */
    size_t count;     /* innermost first: a program counter, then return addresses */
    uint64_t stack[SESSION_STACK_MAX];
};

struct session_answer {
    enum manhole_outcome outcome;
    int signal; /* of MANHOLE_FAULTED */
    bool ended; /* the server said goodbye (BYE): no result, or nothing after it */
    bool left;  /* the user gave up a command that did not end */
    struct session_fault fault;
    char text[1024]; /* of the result or the goodbye: one line, safe for a terminal */
};

/*
 * Runs one command line and prints its output as it comes. A `call` or `sym` of a static function
 * or variable, which the manhole cannot find, is run with its address. The first Ctrl-C asks the
 * server to interrupt it, a second one leaves (`left`); the user is told so when the first does not
 * help. Errors: those of client_send and client_lost.
 */
struct error *session_run(struct session *session, const char *line,
                          struct session_answer *ret) MUST_CHECK;

/*
 * Sends any request of protocol.h and follows it in the same way to its result; bytes that it
 * answers with (MANHOLE_DATA) are copied to `data`, *data_size of them, which may be NULL.
 */
struct error *session_request(struct session *session, enum manhole_frame_type type,
                              const void *request, size_t size, void *data, size_t *data_size,
                              struct session_answer *ret) MUST_CHECK;

/* What a MANHOLE_RESULT says; what is too short for one says nothing. */
void session_take_result(const struct client_frame *frame, struct session_answer *ret);

/* Says goodbye and waits shortly for the server to take it; failure to do so does not matter. */
void session_leave(struct session *session);

#endif
