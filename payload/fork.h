/* Forked children: which of them get a manhole of their own, and what is said about it. */
#ifndef PAYLOAD_FORK_H
#define PAYLOAD_FORK_H

#include "payload/manhole.h"

#include <stdbool.h>

/*
 * True: children get one. Else a line for the log in `why`. `registered` is what
 * hooks_register said.
 *
 * A thread is made in the child, inside fork(2), and that takes memory of the C library's
 * allocator. glibc's, musl's (since 1.2.2) and jemalloc can be used there, whatever other threads
 * did at that moment; of others nobody knows, and the sanitizers' runtimes forbid it or hang.
 */
bool fork_patched(const struct manhole_options *options, int registered, char *why, size_t size);

/* "0.5", "5": seconds, as the log has them. */
void fork_format_delay(uint32_t milliseconds, char *buffer, size_t size);

#endif
