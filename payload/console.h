/*
 * The console: what a client may ask for. One function per command, in a table; each runs on the
 * worker, writes its output as it goes, and ends with an outcome and, unless all went well, one
 * line of text that says why not.
 */
#ifndef PAYLOAD_CONSOLE_H
#define PAYLOAD_CONSOLE_H

#include "payload/guard.h"
#include "payload/output.h"
#include "payload/worker.h"

/* One command that runs. */
struct request {
    const struct job *job;
    struct output *output;
    struct manhole_result result;
    char text[768]; /* one line without newline; "" when all went well */
    bool quit;
};

struct command {
    const char *name, *arguments, *summary;
    const char *details; /* more lines for `help NAME`, or NULL */
    void (*run)(struct request *request, const char *arguments);
};

/* Does a job, from its request to the last byte of its answer. */
enum job_result console_run(const struct job *job);

/* Sets the outcome and its text. */
void request_fail(struct request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What the guard says about code that did not return; `what` is that code, for people. */
void request_explain(struct request *request, enum guard_outcome outcome,
                     const struct guard_report *report, const char *what);

/* The address that a name stands for: a local's, else a symbol's; or the request fails (call.c). */
bool request_look_up(struct request *request, const char *name, uint64_t *ret);

/* The commands, by the file they are in. */
void command_threads(struct request *request, const char *arguments); /* look.c */
void command_maps(struct request *request, const char *arguments);
void command_fds(struct request *request, const char *arguments);
void command_env(struct request *request, const char *arguments);
void command_read(struct request *request, const char *arguments); /* peek.c */
void command_sym(struct request *request, const char *arguments);  /* call.c */
void command_call(struct request *request, const char *arguments);
void command_bt(struct request *request, const char *arguments); /* stacks.c */

#endif
