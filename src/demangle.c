#include "src/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is longer is not shown, bytes. */
#define NAME_MAX_BYTES 65536

/* What libiberty has made so far. */
struct text {
    char *bytes; /* NULL: there was no memory */
    size_t size;
    jmp_buf too_long;
};

/*
 * libiberty asks nobody whether to go on: it is left from here. Printing, it holds no memory but
 * its stack, apart from the letters of a name of Rust's that are not ASCII.
 */
static void add(const char *bytes, size_t size, void *context)
{
    struct text *text = context;
    if (!text->bytes || size >= NAME_MAX_BYTES - text->size)
        longjmp(text->too_long, 1);
    if (size) /* else `bytes` may be NULL */
        memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* Rust's first: its older scheme looks like that of C++ with a hash behind. */
static bool print(const char *name, struct text *text)
{
    if (setjmp(text->too_long))
        return false;
    if (rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, add, text))
        return true;
    text->size = 0;
    return name[1] == 'Z' &&
           cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI | DMGL_TYPES, add, text);
}

char *demangle(const char *name)
{
    if (name[0] != '_')
        return NULL;
    struct text text = {.bytes = malloc(NAME_MAX_BYTES)};
    char *ret = print(name, &text) ? strndup(text.bytes, text.size) : NULL;
    free(text.bytes);
    return ret;
}
