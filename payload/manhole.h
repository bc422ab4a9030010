/*
 * libmanhole: a manhole for the process that loads it. Loaded by manhole-attach into a running
 * process, or linked, dlopen'ed or preloaded by a program. Depends on libc alone.
 *
 * All functions may be called from any thread, and leave errno alone. Those that return an int
 * return 0, an errno, or an enum manhole_error: manhole_error_text has a text for each, and
 * manhole_last_message the particulars. See libmanhole(3).
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

/* Beside those of errno, which end at 4095 (MAX_ERRNO, include/linux/err.h). */
enum manhole_error {
    MANHOLE_NOT_INSTALLED = 4097,
    MANHOLE_ALREADY_INSTALLED,
    MANHOLE_CONFIGURATION_CONFLICT, /* two options contradict each other */
    MANHOLE_SUSPICIOUS_CLIENT,      /* the peer is neither root nor of this process's user */
};

/*
 * Options of manhole_install. Set them from MANHOLE_OPTIONS_DEFAULT, then change what shall differ:
 *
 *     struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
 *     options.activate_on = SIGUSR2;
 *
 * Fixed layout: manhole-attach writes it into the target as bytes. A caller with a smaller struct
 * (an older header) gets the defaults of what it does not have. Texts end with NUL.
 */
struct manhole_options {
    uint32_t size;               /* sizeof(struct manhole_options) of the caller */
    uint32_t version;            /* MANHOLE_VERSION */
    uint32_t verbose;            /* 1; 0: nothing is logged */
    int32_t verbose_destination; /* 2: log lines go to this descriptor; -1: nowhere */
    uint32_t strict;             /* 1; 0: an installed manhole is replaced */
    uint32_t patch_fork;         /* 1: forked children get a manhole of their own */
    uint32_t thread;             /* 1; 0: it sleeps until manhole_activate */
    uint32_t activate_on;        /* 0; a signal number: listen from that signal on */
    uint32_t oneshot_on; /* 0; a signal number: each serves one client while its thread waits */
    uint32_t daemon_connection;  /* 0: the process does not exit while a client is connected */
    uint32_t redirect_stderr;    /* 1: what an evaluation prints there is shown to the client too */
    uint32_t reinstall_delay_ms; /* 500: how long a forked child waits before it listens */
    uint32_t start_timeout_ms;   /* 500: how long installing waits for the threads */
    uint32_t oneshot_timeout_ms; /* 60000: how long a oneshot waits for somebody to connect */
    uint64_t sigmask;            /* MANHOLE_ALL_SIGNALS: bit n - 1: signal n is blocked in them */
    char socket_path[108];       /* "": /tmp/manhole-<pid>; else absolute, and no patch_fork */
    char verbose_path[256];      /* "": verbose_destination; else a file, opened for appending */
    char connection_handler[256]; /* "": "console"; "exec", or "PATH.so:FUNCTION" */
    char locals[1024];            /* "": none; "NAME=EXPRESSION,...": names for the console */
    uint32_t reserved;            /* 0: was padding, which older callers leave as it is */
    uint32_t redirect; /* 0; 1: all that Python prints is shown to a client who speaks Python */
};

#define MANHOLE_ALL_SIGNALS (~UINT64_C(0))

/* clang-format off */
#define MANHOLE_OPTIONS_DEFAULT { \
    .size = sizeof(struct manhole_options), .version = MANHOLE_VERSION, \
    .verbose = 1, .verbose_destination = 2, .strict = 1, .patch_fork = 1, .thread = 1, \
    .redirect_stderr = 1, .reinstall_delay_ms = 500, .start_timeout_ms = 500, \
    .oneshot_timeout_ms = 60000, \
    .sigmask = MANHOLE_ALL_SIGNALS }
/* clang-format on */

/*
 * Opens the manhole: starts its threads and binds the socket. NULL: the defaults.
 * MANHOLE_ALREADY_INSTALLED (strict), MANHOLE_CONFIGURATION_CONFLICT, EADDRINUSE (somebody listens
 * at the path, or what is there is not ours to remove), EINVAL, ENAMETOOLONG, EBUSY (another thread
 * installs), ETIMEDOUT (after start_timeout_ms), what bind(2) says, ... When it fails nothing is
 * changed.
 *
 * With thread = 0, activate_on or oneshot_on it sleeps: there are threads, but no socket and no
 * descriptor. Signals of activation are caught by handlers that do nothing but ask the threads
 * (SA_RESTART: interrupted system calls go on, but for those that never do, signal(7)); in a forked
 * child, nothing at all. What the program did with such a signal before is put back by
 * uninstalling; a handler that it sets meanwhile is its own affair, and stays.
 *
 * activate_on: the signal does what manhole_activate does; where that fails, the log and the status
 * say why, and the next signal tries again.
 *
 * oneshot_on: each signal does what manhole_handle_oneshot does, and the thread that got it waits
 * in the handler, wherever it was, with all that it held: others may come to wait for it. Signals
 * for which the program has a handler wait, too, in this thread. One that comes while a client is
 * served or waited for does nothing.
 */
MANHOLE_API int manhole_install(const struct manhole_options *options);

/*
 * Closes the manhole: ends the session and the listener, joins their threads, unlinks the socket,
 * puts signal handlers back. After 0 no thread is inside libmanhole and it may be unloaded.
 * MANHOLE_NOT_INSTALLED; EBUSY: a running evaluation would not end; EDEADLK: called by the console.
 */
MANHOLE_API int manhole_uninstall(void);

/*
 * Binds the socket, if there is none, from now on and for all clients. Waits at most
 * start_timeout_ms. MANHOLE_NOT_INSTALLED, ETIMEDOUT, what bind(2) says, ...
 */
MANHOLE_API int manhole_activate(void);

/*
 * Binds the socket, waits until one client has been served and unlinks it again (if
 * manhole_activate, or the options, have opened it for all: that one stays, and the next client is
 * meant). 0 when a client was served, however it left; the caller goes on as soon as it is gone.
 * ETIMEDOUT: nobody came within oneshot_timeout_ms; a client that is refused does not count. EBUSY:
 * there is a client already, or another thread waits for one; ECANCELED: the manhole was
 * uninstalled meanwhile; EDEADLK: called by the console; MANHOLE_NOT_INSTALLED; what bind(2) says.
 * Failures are logged as "Oneshot failure: ...".
 */
MANHOLE_API int manhole_handle_oneshot(void);

/*
 * Serves the client of a connected UNIX socket, as one that came through the manhole's own, while
 * the caller waits. At the end the connection is shut down; the descriptor stays the caller's.
 * MANHOLE_SUSPICIOUS_CLIENT, EBUSY (both told to the client), ENOTSOCK, and as above.
 */
MANHOLE_API int manhole_handle(int fd);

/*
 * The console on any stream that is open for reading and writing (a terminal, one side of a
 * socketpair(2), a TCP connection), with nobody's credentials asked for: who has the other side
 * is in. The caller waits until `quit` or the end of the input; the stream stays as it is, but what
 * came after `quit` may have been read. EINVAL: not open for both; EBUSY, and as above.
 */
MANHOLE_API int manhole_run_repl(int fd);

/* Who is at the other end of a connected UNIX socket, as the kernel knows it (SO_PEERCRED,
   unix(7)). Errors: getsockopt(2)'s. */
struct ucred;
MANHOLE_API int manhole_get_peercred(int fd, struct ucred *ret);

/* 0 when that is root or this process's effective user; else MANHOLE_SUSPICIOUS_CLIENT. */
MANHOLE_API int manhole_check_credentials(int fd);

/* Writes a line to the manhole's log, printf-like (%s %c %d %u %x %p with l and z), without ever
   waiting. MANHOLE_NOT_INSTALLED. */
MANHOLE_API int manhole_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Writes the stacks of all threads to a descriptor, as a client of text sees them when it connects;
 * installed or not. No thread is stopped or signalled: those that sleep, and the calling one, are
 * shown with their frames. It takes 2 seconds at most to look and 2 to write. ENOMEM; ETIMEDOUT:
 * the descriptor did not take it all; what write(2) says (EPIPE comes without a SIGPIPE). It needs
 * 32 KiB of the caller's stack, leaves errno alone, and is not for a signal handler.
 */
MANHOLE_API int manhole_dump_stacktraces(int fd);

/* Seconds since the epoch, the clock of the log's lines. */
MANHOLE_API double manhole_time(void);

/* A text for what these functions return; never NULL, static. */
MANHOLE_API const char *manhole_error_text(int error);

/* One line about the last install or uninstall of this process: the socket's path, or what failed
   and why. Cut to fit; returns the bytes written without the NUL. */
MANHOLE_API size_t manhole_last_message(char *buffer, size_t size);

/*
 * Where the manhole listens now, as this process names it: an absolute path, NUL terminated; ""
 * when it does not listen. For readers from outside, who may not run anything here (manhole-attach
 * --list): written when the socket is bound, emptied before it is unlinked.
 */
MANHOLE_API extern char manhole_socket_path[108];

/*
 * What a manhole sleeps until, for the same readers: `pid` is that of the process that installed it
 * (in its own pid namespace), which forked children are not; 0: none sleeps here. Bit n - 1 of
 * `signals` is signal n; no bit: until the program calls manhole_activate.
 */
struct manhole_sleep {
    uint64_t signals;
    int32_t pid;
};
MANHOLE_API extern struct manhole_sleep manhole_sleep;

/*
 * The threads that the manhole runs on, for the same readers: their ids as this process has them,
 * 0 in unused places. Each is there before it does anything, and until it is about to end.
 */
#define MANHOLE_THREADS_MAX 8
MANHOLE_API extern int32_t manhole_threads[MANHOLE_THREADS_MAX];

#ifdef __cplusplus
}
#endif

#endif
