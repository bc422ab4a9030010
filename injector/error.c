#include "injector/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char no_memory_message[] = "out of memory: manhole-attach could not allocate what it needs; "
                                  "free some and try again";

static struct error no_memory = {
    .kind = ERROR_PARTIAL,
    .errnum = ENOMEM,
    .message = no_memory_message,
};

struct error *error_no_memory(void)
{
    return &no_memory;
}

struct error *error_create(enum error_kind kind, int errnum, const char *format, ...)
{
    struct error *error = malloc(sizeof(*error));
    if (!error)
        return &no_memory;

    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&error->message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        free(error);
        return &no_memory;
    }
    error->kind = kind;
    error->errnum = errnum;
    return error;
}

void error_destroy(struct error *error)
{
    if (!error || error == &no_memory)
        return;
    free(error->message);
    free(error);
}

void error_cleanup(struct error **error)
{
    error_destroy(*error);
}
