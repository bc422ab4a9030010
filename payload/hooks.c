#include "payload/hooks.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * glibc >= 2.3.2 (nptl/register-atfork.c): what pthread_atfork of libc_nonshared.a calls. glibc's
 * own pthread_atfork, where it is exported at all, would register without our handle, and for ever.
 */
#pragma weak __register_atfork
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                             void *handle);
/* musl, which never unloads anything. */
#pragma weak pthread_atfork
extern int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* Itanium C++ ABI, section 3.3.6.3; glibc's also drops the fork handlers of that handle
   (stdlib/cxa_finalize.c), musl's does nothing. */
extern int __cxa_atexit(void (*function)(void *), void *argument, void *handle);
extern void __cxa_finalize(void *handle);

static struct {
    void (*at_exit)(void);
    bool for_fork, for_exit;
    bool unregistering;
} state;

static void leave(void *argument)
{
    (void)argument;
    if (!state.unregistering)
        state.at_exit();
}

/* No handler runs in the parent: one that has begun there could outlive our code. */
static int register_for_fork(void (*in_child)(void))
{
    if (__register_atfork)
        return __register_atfork(NULL, NULL, in_child, &state);
    return pthread_atfork ? pthread_atfork(NULL, NULL, in_child) : ENOSYS;
}

int hooks_register(void (*in_child)(void), void (*at_exit)(void))
{
    state.at_exit = at_exit;
    if (!state.for_exit) /* where it fails the program exits without asking us */
        state.for_exit = __cxa_atexit(leave, NULL, &state) == 0;
    int status = state.for_fork ? 0 : register_for_fork(in_child);
    state.for_fork |= status == 0;
    return status;
}

void hooks_unregister(void)
{
    state.unregistering = true;
    __cxa_finalize(&state);
}
