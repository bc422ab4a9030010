/* /proc of this process, read without the C library. */
#ifndef PAYLOAD_PROC_H
#define PAYLOAD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a file, cut at size - 1 bytes, ended by NUL; bytes read, or a negated errno. */
long proc_read(const char *path, char *buffer, size_t size);

/*
 * Calls `each` for every entry of a directory of /proc whose name is a number; stops when it
 * returns false. 0 or a negated errno.
 */
long proc_each_number(const char *path, bool (*each)(int number, void *context), void *context);

/* /proc/self/task/TID/<what>, as proc_read. */
long proc_read_thread(pid_t tid, const char *what, char *buffer, size_t size);

/* The value of a line "Name:<tab>value" in the text of a status file as a hexadecimal number. */
bool proc_status_mask(const char *status, const char *name, uint64_t *ret);

/* The signals that a thread blocks, bit n - 1 for signal n; none when it is gone. */
uint64_t proc_blocked_signals(pid_t tid);

struct proc_thread {
    char name[64]; /* safe for a terminal */
    char state;    /* R S D T t Z X, '?' */
    long call;     /* number of the system call it is in; -1: none, -2: it runs, -3: not known */
    uint64_t arguments[6];
    uintptr_t sp, pc; /* while it sleeps (call >= -1), where; 0: not known */
};

/* False when the thread is gone. */
bool proc_look_at_thread(pid_t tid, struct proc_thread *ret);

/* The call, its arguments, sp and pc alone. */
void proc_look_at_call(pid_t tid, struct proc_thread *ret);

/*
 * How often the thread was put on a processor: the third field of schedstat
 * (Documentation/scheduler/sched-stats.rst); where that is not kept, how often it was taken off
 * one. 0: not known.
 */
uint64_t proc_thread_runs(pid_t tid);

/* The value of a line "Name:<tab>value" in the text of a status file as a decimal number; 0 when it
   is not there. */
uint64_t proc_status_number(const char *status, const char *name);

#endif
