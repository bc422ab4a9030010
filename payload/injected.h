/*
 * What manhole-attach calls in the target, on the bootstrap thread of a loan: each takes the bytes
 * of an argument and leaves one line in `message` (may be NULL). They return what the functions of
 * manhole.h do.
 */
#ifndef PAYLOAD_INJECTED_H
#define PAYLOAD_INJECTED_H

#include "payload/manhole.h"

/* `options`: a struct manhole_options of `size` bytes; NULL: the defaults. The message is the
   socket's path, or the cause. */
MANHOLE_API int manhole_injected_install(const void *options, size_t size, char *message,
                                         size_t message_size);

/* The argument is unused. */
MANHOLE_API int manhole_injected_uninstall(const void *options, size_t size, char *message,
                                           size_t message_size);

/* Where the manhole listens and who holds it: "PATH free", "PATH held by pid N". The argument is
   unused. */
MANHOLE_API int manhole_injected_status(const void *options, size_t size, char *message,
                                        size_t message_size);

#endif
