/* What the files of src/waits.h share. */
#ifndef SRC_WAITS_PRIVATE_H
#define SRC_WAITS_PRIVATE_H

#include "injector/deadline.h"
#include "src/dump.h"
#include "src/waits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum c_library { LIBRARY_UNKNOWN, LIBRARY_GLIBC, LIBRARY_MUSL };

/* The lock of a Python interpreter. */
struct search_gil {
    struct python_gil gil;
    size_t holder; /* that is watched and has it; else NO_THREAD */
};

/* The look for waits while it goes on. */
struct search {
    const struct report *report;
    struct waits *waits;
    bool *watched; /* per thread: snapshot_watch */
    bool nested;   /* the target's thread ids are those of a pid namespace inside of ours */
    pid_t *inner;  /* of threads[i], its id there; NULL until needed, or not nested */
    bool inner_read;
    struct module *library_module; /* that was looked at last, and what it was */
    enum c_library library;
    struct descriptors *descriptors; /* src/descriptors.h; made when first needed */
    char *locks;                     /* /proc/locks, the same */
    unsigned lock_readings;          /* how often it was read */
    struct search_gil *gils;
    size_t gil_count;
    deadline_t gils_until; /* for the look who waits for them */
};

/* --- waits.c --- */

/* The thread or process with this id, as the target's own memory has it, that holds a lock at
   `address`. */
void wait_find_owner(struct search *search, pid_t tid, uint64_t address, struct wait_owner *ret);

/* A process by its id as we see it; its name when it has one. */
void wait_set_process(const struct search *search, pid_t pid, struct wait_owner *ret);

/* A thread of the report. */
void wait_set_thread(const struct search *search, size_t index, struct wait_owner *ret);

/* Whose stack has the address in use; NULL: nobody's. */
const struct report_thread *wait_find_stack(const struct report *report, uint64_t address);

/* "server_lock", "heap", ...: what lies at an address; malloc'ed, NULL: unknown. */
char *wait_describe_place(const struct search *search, uint64_t address);

/* Puts words behind wait->detail, separated by ", ". Without memory they are missing. */
void wait_add_detail(struct wait *wait, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- waits_functions.c --- */

/* The function of the C library that makes a thread wait. */
struct waiting_function {
    enum wait_kind kind; /* WAIT_UNKNOWN: none that we know */
    enum c_library library;
    bool guessed;                    /* by what looks like a return address */
    uint64_t frame_start, frame_end; /* the stack of its frames: [start, end), target addresses */
};

/*
 * The first from frame *from on; sets that to where to look for another one, where this one was
 * guessed and turns out not to be. False: there is none; the library may be known then.
 */
bool wait_find_function(struct search *search, const struct report_thread *thread, size_t *from,
                        struct waiting_function *ret);

/* --- waits_locks.c --- */

/* Reads the lock of a thread in futex(2), or in another call that turns out to be one. Its place is
   not described yet. */
void wait_read_lock(struct search *search, const struct report_thread *thread, bool is_futex,
                    struct wait *wait);

/* --- waits_calls.c --- */

/* Reads what a thread waits for in the call of this name, if it is one that waits. */
void wait_read_call(struct search *search, const struct report_thread *thread, const char *call,
                    struct wait *wait);

/* The target's descriptors, read when first asked for; NULL without memory. */
struct descriptors *wait_descriptors(struct search *search);

/* --- waits_file_locks.c --- */

/* flock(2), and fcntl(2) if it waits for a lock. */
void wait_read_flock(struct search *search, const uint64_t *arguments, struct wait *wait);
void wait_read_fcntl(struct search *search, const uint64_t *arguments, struct wait *wait);

/* --- waits_python.c --- */

/* Finds who holds the lock of each Python interpreter, and who waits for it. To be called when all
   threads are watched, and before the locks of others are read: src/waits_python.c says why. */
struct error *wait_read_gils(struct search *search) MUST_CHECK;

/* True where an address is of a part of such a lock. */
bool wait_is_in_gil(const struct search *search, uint64_t address);

/* True of a thread whose semaphore is a lock of the interpreter: threading.Lock, and what is made
   of it. */
bool wait_is_for_python_lock(const struct search *search, const struct report_thread *thread);

/* Who sleeps with the lock that this thread waits for; NO_THREAD: that is not known. */
size_t wait_gil_holder(const struct search *search, const struct wait *wait);

/* --- deadlocks.c --- */

/* Fills in deadlocks and blockers. */
struct error *waits_find_deadlocks(const struct search *search) MUST_CHECK;

#endif
