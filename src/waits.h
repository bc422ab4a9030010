/*
 * Why each thread waits, on whom, and who can never go on: without debug information, from the call
 * that a thread sleeps in, a few words of its memory, and the names of the C library's functions on
 * its stack.
 *
 * Locks move while we look. An owner is named only when it was read while the waiting thread slept
 * in the call that the snapshot shows (snapshot_watch), and a deadlock only when every thread in it
 * slept from the snapshot on until all of their locks had been read: then each held what the one
 * before it waits for, all at one moment, and none of them can let go. A thread that waits for the
 * GIL of a Python interpreter need not sleep for that: it has no way out while another one sleeps
 * with the GIL.
 */
#ifndef SRC_WAITS_H
#define SRC_WAITS_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct report;

enum wait_kind {
    WAIT_UNKNOWN, /* it runs, or nothing can be told */
    WAIT_MUTEX,
    WAIT_RWLOCK_READ,
    WAIT_RWLOCK_WRITE,
    WAIT_CONDITION,
    WAIT_SEMAPHORE,
    WAIT_BARRIER,
    WAIT_JOIN, /* for the end of a thread */
    WAIT_ONCE,
    WAIT_STATIC,    /* a static variable of a C++ function that another thread initializes */
    WAIT_ALLOCATOR, /* a lock within malloc and its kin */
    WAIT_STREAM,    /* the lock of a stdio stream */
    WAIT_FUTEX,     /* a word in memory, of what kind is not known */
    WAIT_GIL,       /* the lock of a Python interpreter, to run its code */
    WAIT_DESCRIPTOR,
    WAIT_FILE_LOCK,
    WAIT_CHILD,
    WAIT_TIME,
};

/* "mutex", "rwlock-read", ...: as the JSON has it; NULL for WAIT_UNKNOWN. */
const char *wait_kind_name(enum wait_kind kind);

enum wait_owner_kind {
    OWNER_UNKNOWN,
    OWNER_THREAD,  /* of this process */
    OWNER_MISSING, /* a number that is no thread of this process, nor of one that shares the lock */
    OWNER_PROCESS, /* another process, or a thread of one */
};

#define NO_THREAD SIZE_MAX

struct wait_owner {
    enum wait_owner_kind kind;
    pid_t tid;     /* as we see it; 0: the process as a whole */
    pid_t pid;     /* of its process */
    char name[64]; /* of the thread, or of the process; "": unknown */
    size_t index;  /* of OWNER_THREAD: in the report; NO_THREAD: born after the snapshot */
};

struct wait {
    enum wait_kind kind;
    char type[48];    /* of a lock: "recursive", "robust process-shared"; "": plain */
    uint64_t address; /* of the lock, in the target; 0: none, or unknown */
    char *place;      /* what is at that address: "name", "name+0x8", "heap"; NULL: unknown */
    uint64_t mutex;   /* of a condition: the mutex that is taken again; 0: unknown */
    char *mutex_place;
    struct wait_owner owner;
    char *detail;   /* more, in words; text of the target, not sanitized; NULL: none */
    bool guessed;   /* the kind: by a guessed frame, which the lock's words do not contradict */
    bool verified;  /* the thread slept on while this was read; of WAIT_GIL with an owner: that did,
                       so that this one waits for it all the time, though it wakes up to look */
    bool holds_gil; /* of a Python interpreter: it slept on, and has it all the time */
};

/* Threads that wait for each other in a circle: each for what the next one holds. */
struct deadlock {
    size_t *threads; /* indices in the report, the lowest first */
    size_t count;
    size_t behind; /* other threads that wait for one of these, directly or not */
};

/* A thread or process that holds up at least two threads, directly or not, and no deadlock. */
struct blocker {
    struct wait_owner who;
    size_t behind;
};

struct waits {
    struct wait *waits; /* one per thread of the report */
    size_t count;
    struct deadlock *deadlocks;
    size_t deadlock_count;
    struct blocker *blockers; /* most threads behind it first */
    size_t blocker_count;
};

/*
 * Finds out, for all threads of a report whose frames are named; reads the target live. Only memory
 * can be short.
 */
struct error *waits_create(const struct report *report, struct waits **ret) MUST_CHECK;
void waits_destroy(struct waits *waits);

#endif
