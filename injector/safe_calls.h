/* The functions of the C library in which a thread may be interrupted to call pthread_create. */
#ifndef INJECTOR_SAFE_CALLS_H
#define INJECTOR_SAFE_CALLS_H

#include <stddef.h>

enum safe_call_kind {
    SAFE_CALL,  /* a system call and what surrounds it, no lock that pthread_create needs */
    SAFE_STDIO, /* may allocate its buffer before; only while it sits in read(2) */
};

struct safe_call {
    const char *name;
    enum safe_call_kind kind;
};

/*
 * What waits in the kernel, or on a lock of the program itself. None of them allocates memory or
 * holds a lock of malloc, of the thread descriptors or of the loader while it waits (glibc 2.17 to
 * 2.41, musl 1.1.20 to 1.2.5). Callbacks of the program are not called by any of them.
 */
extern const struct safe_call safe_calls[];
extern const size_t safe_call_count;

#endif
