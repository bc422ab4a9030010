/*
 * libmanhole: a manhole for the process that loads it. Loaded by manhole-attach into a running
 * process, or linked, dlopen'ed or preloaded by a program. Depends on libc alone.
 */
#ifndef MANHOLE_H
#define MANHOLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANHOLE_API __attribute__((visibility("default")))

#define MANHOLE_VERSION 1

/* Options of manhole_install. Fixed layout: manhole-attach writes it into the target as bytes. */
struct manhole_options {
    uint32_t size;         /* sizeof(struct manhole_options) of the caller */
    uint32_t version;      /* MANHOLE_VERSION */
    int32_t log_fd;        /* verbose destination: a descriptor of this process, -1: none */
    uint32_t replace;      /* not strict: an installed manhole is replaced */
    char socket_path[108]; /* "": /tmp/manhole-<pid> */
    char log_path[256];    /* verbose destination as a path, opened for appending; "": none */
};

/*
 * Opens the manhole: binds the socket and starts the listener thread. Returns 0 when it listens, or
 * an errno: EALREADY (installed), EADDRINUSE (somebody listens at the path, or the path is not ours
 * to remove), EINVAL, what bind(2) says, ... `message` (may be NULL) receives one line: the socket
 * path on success, the cause on failure. `options` NULL: the defaults. Any thread may call it.
 */
MANHOLE_API int manhole_install(const void *options, size_t options_size, char *message,
                                size_t message_size);

/*
 * Closes the manhole: ends the session and the listener, joins their threads, unlinks the socket,
 * puts signal handlers back. After 0 no thread is inside libmanhole and it may be unloaded. ENOENT:
 * not installed; EBUSY: a running evaluation would not end (message says which). `options` is
 * unused.
 */
MANHOLE_API int manhole_uninstall(const void *options, size_t options_size, char *message,
                                  size_t message_size);

/* Where the manhole listens and who holds it, one line in message; ENOENT when not installed. */
MANHOLE_API int manhole_status(const void *options, size_t options_size, char *message,
                               size_t message_size);

/*
 * Where the manhole listens now, as this process names it: an absolute path, NUL terminated; ""
 * when it does not listen. For readers from outside, who may not run anything here (manhole-attach
 * --list): write the path when the socket is bound, empty it before the socket is unlinked.
 */
MANHOLE_API extern char manhole_socket_path[108];

#ifdef __cplusplus
}
#endif

#endif
