/*
 * One target: its identity, its live threads, its memory maps, its /proc files through kept
 * descriptors, and why we may not look. Nothing here stops or changes the target.
 */
#ifndef INJECTOR_PROCESS_H
#define INJECTOR_PROCESS_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct recording;

struct process {
    pid_t pid;           /* as seen from our pid namespace: the thread group id */
    pid_t live_tid;      /* a thread whose /proc entries answer: pid, or another one when the
                            leader is a zombie that lives on through its threads */
    int proc_fd;         /* /proc/PID, O_DIRECTORY; holds the flock of process_lock */
    int task_fd;         /* /proc/PID/task, O_DIRECTORY */
    int pid_fd;          /* pidfd_open(2), or -1 where the kernel has none */
    int program_fd;      /* /proc/PID/mem as process_note_program found it: of one program, which an
                            execve(2) ends; -1 before that */
    uint64_t start_time; /* clock ticks after boot (proc(5), stat field 22): guards against pid
                            reuse */
    pid_t namespace_pid; /* the target's pid in its own pid namespace (innermost NSpid) */
    bool is_64bit;       /* ELF class of the executable, where it could be read */
    char *executable;    /* link text of /proc/PID/exe, " (deleted)" included; never NULL */
    char name[64];       /* comm of the leader */

    struct recording *recording; /* what it answers is kept here; or NULL */
    bool saved;                  /* it is not there: the recording answers in its place, and no
                                    descriptor is open (snapshot_file.h) */
};

/*
 * Opens a target for looking. Errors: ERROR_NO_PROCESS; ERROR_UNSUPPORTED (kernel thread, zombie);
 * ERROR_USAGE (our own pid). Rights to trace are not asked for here.
 */
struct error *process_open(pid_t pid, struct process **ret) MUST_CHECK;
void process_close(struct process *process);
void process_cleanup(struct process **process);
#define CLEANUP_PROCESS __attribute__((cleanup(process_cleanup)))

/*
 * Takes note of an execve(2) since the process was opened: executable, is_64bit, name. What else
 * was known of it (maps, modules) is the caller's to ask for again. ERROR_NO_PROCESS: it has ended.
 */
struct error *process_refresh(struct process *process) MUST_CHECK;

/*
 * From now on what the functions below answer is kept, for snapshot_file_write: what is read of
 * memory, files and links, but no descriptor of process_open_file. Released by process_close.
 */
struct error *process_record(struct process *process) MUST_CHECK;

/* True while this very process (not a later one with its pid) has a living thread; always of a
   saved one. */
bool process_alive(const struct process *process);

/* From here on the program that the process runs now is meant. False, with errno: we may not look
   at its memory, so nothing will tell that it has become another one. */
bool process_note_program(struct process *process);

/*
 * False when the process has ended, or called execve(2), since process_note_program: what was known
 * of its memory is of no use any more. What was opened in it before this was true is the program's.
 */
bool process_is_same_program(const struct process *process);

/* NULL, or the ERROR_NO_PROCESS that says that the process lives on as another program. */
struct error *process_check_program(const struct process *process) MUST_CHECK;

/* NULL when alive, and the program that process_note_program found; otherwise the ERROR_NO_PROCESS
   that says it ended, or became another one. */
struct error *process_check_alive(const struct process *process) MUST_CHECK;

/*
 * Keeps other manhole-attach processes from injecting at the same time: flock(2) on /proc/PID,
 * released by process_close or our death. ERROR_STATE when another holds it past the deadline.
 */
struct error *process_lock(struct process *process, uint64_t wait_us) MUST_CHECK;

/*
 * Why reading memory or tracing is refused (errno EPERM or EACCES from `what`), as exactly one
 * cause and one remedy: another tracer (named), uid, kernel.yama.ptrace_scope, CAP_SYS_PTRACE,
 * a non-dumpable target, user namespace, an LSM. Always returns an error (ERROR_NOT_PERMITTED, or
 * ERROR_NO_PROCESS when it ended).
 */
struct error *process_explain_refusal(const struct process *process, const char *what,
                                      int errnum) MUST_CHECK;

/* Asks the kernel whether we may look (PTRACE_MODE_ATTACH_FSCREDS), touching nothing, and does what
   process_note_program does. */
struct error *process_check_access(struct process *process) MUST_CHECK;

/* The tids that exist now, ascending; *ret is malloc'ed, owned by the caller. */
struct error *process_threads(const struct process *process, pid_t **ret, size_t *count) MUST_CHECK;

/*
 * openat(2) below /proc/PID/task/TID (tid 0: live_tid), O_CLOEXEC added. Returns a descriptor, or
 * -1 with errno; of a saved process always ENOENT.
 */
int process_open_file(const struct process *process, pid_t tid, const char *name, int flags);

/*
 * Reads a whole /proc text file of a thread (tid 0: live_tid) into *ret (malloc'ed, NUL
 * terminated). Returns its length, or -1 with errno.
 */
ssize_t process_read_file(const struct process *process, pid_t tid, const char *name, char **ret);

/*
 * The text of a symbolic link below /proc/PID/task/TID (tid 0: live_tid): "fd/3", "root". Returns
 * its length, cut to size - 1, with a NUL behind it; or -1 with errno.
 */
ssize_t process_read_link(const struct process *process, pid_t tid, const char *name, char *buffer,
                          size_t size);

/*
 * Reads a whole text file below our own /proc that is about no thread of the target: "locks", or
 * "123/comm" of another process. As process_read_file.
 */
ssize_t process_read_system_file(const struct process *process, const char *name, char **ret);

/*
 * The time of a clock of clock_gettime(2) now. False: the target counts that clock from another
 * moment than we do (time_namespaces(7)), or there is none.
 */
bool process_clock(const struct process *process, clockid_t clock, struct timespec *ret);

/* The value of a field of /proc/PID/task/TID/status ("TracerPid", "State", ...), copied without its
   leading blanks; false when it is not there. */
bool process_status_field(const struct process *process, pid_t tid, const char *field, char *value,
                          size_t size);

/* True when the target's own memory has other ids for its threads than we have: it lives in a pid
   namespace inside of ours (pid_namespaces(7)). */
bool process_is_nested(const struct process *process);

/* The id of a thread in the target's own, innermost pid namespace; 0: not known. */
pid_t process_namespace_tid(const struct process *process, pid_t tid);

/* As process_status_field, from the text of any file of such lines ("field: value"). */
bool process_text_field(const char *text, const char *field, char *value, size_t size);

/*
 * Copies target memory with process_vm_readv(2), /proc/PID/mem where that is refused. Returns how
 * many bytes from `address` on were copied (0 .. size; less than size: the rest is not readable).
 */
size_t remote_read(const struct process *process, uint64_t address, void *buffer, size_t size);

/* Several ranges in as few system calls as possible; got[i] receives the bytes copied of range i.
 */
struct remote_range {
    uint64_t address;
    void *buffer;
    size_t size;
    size_t got;
};
void remote_read_ranges(const struct process *process, struct remote_range *ranges, size_t count);

/*
 * The same for reads that fetch more than is needed: of them a recording keeps only what
 * remote_keep is told, so that what nobody asked for is never saved.
 */
void remote_peek_ranges(const struct process *process, struct remote_range *ranges, size_t count);
size_t remote_peek(const struct process *process, uint64_t address, void *buffer, size_t size);
void remote_keep(const struct process *process, uint64_t address, const void *bytes, size_t size);

/* A NUL-terminated string of at most size - 1 bytes; false when it is unreadable or longer. */
bool remote_read_string(const struct process *process, uint64_t address, char *buffer, size_t size);

#endif
