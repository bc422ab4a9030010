/* The option `connection_handler`: what serves a client once he has been let in. */
#ifndef PAYLOAD_HANDLER_H
#define PAYLOAD_HANDLER_H

#include "payload/worker.h"

#include <stddef.h>

enum handler {
    HANDLER_CONSOLE,
    HANDLER_EXEC,     /* lines in, framed answers out: protocol.h */
    HANDLER_FUNCTION, /* int FUNCTION(int fd) of a shared object */
};

/*
 * Takes "", "console", "exec" or "/PATH.so:FUNCTION". The shared object is loaded here, on the
 * thread that installs, so that a mistake is known at once; a forked child that takes the same text
 * again keeps it. 0; or EINVAL, or ENOTSUP without a dlopen(3), with a line in `message`: then
 * nothing is changed.
 */
int handler_open(const char *text, char *message, size_t message_size);
/* Unloads it; nobody may be inside. */
void handler_close(void);

enum handler handler_kind(void);

/* Calls the function with a descriptor of its own, which it may close, on the worker. */
enum job_result handler_serve(const struct job *job);

#endif
