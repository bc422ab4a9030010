/*
 * Registers and stack bytes of all threads of a target at one moment, and how each was obtained
 * (DESIGN.md section 4). Blocked threads are not stopped; running ones are, for microseconds, by a
 * helper process whose exit lets everything go. After snapshot_take returned, the target runs.
 */
#ifndef INJECTOR_SNAPSHOT_H
#define INJECTOR_SNAPSHOT_H

#include "injector/arch/arch.h"
#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum thread_how {
    THREAD_BLOCKED,    /* asleep during the whole look, proved by its counters; not stopped */
    THREAD_FROZEN,     /* stopped by us for the copy */
    THREAD_RACY,       /* copied while it may have run: frames may be wrong */
    THREAD_UNREADABLE, /* no registers: `problem` says why */
};

/* Bytes of the target's memory, copied. */
struct memory_slice {
    uint64_t start;
    size_t size;
    uint8_t *bytes;
};

struct thread_snapshot {
    pid_t tid;
    char name[64];       /* comm, control characters replaced */
    char state;          /* as in /proc/TID/stat when first looked at: R S D T t Z X I */
    uint64_t start_time; /* clock ticks after boot; with tid it names the thread for ever */
    uint64_t
        runs; /* how often it was put on a processor in its life, before the look; 0: unknown */
    enum thread_how how;
    bool paused;   /* stopped by us at least once, if only for a moment that was too short */
    bool slept_on; /* asleep since options->before without a break: all but the stack is of then */
    char *problem; /* why it is racy or unreadable; NULL otherwise */

    bool in_syscall;
    long syscall_number;           /* valid when in_syscall; -1: asleep outside a system call */
    uint64_t syscall_arguments[6]; /* registers of the call, in order */
    char wait_channel[64];         /* /proc/TID/wchan; "": none, or a call tells enough */

    struct registers registers;
    struct memory_slice stack; /* from sp - red zone upwards, up to stack_limit; none: slept_on */
};

struct snapshot {
    struct process *process; /* borrowed: must outlive the snapshot */
    struct maps *maps;
    struct timespec time;            /* CLOCK_REALTIME */
    struct thread_snapshot *threads; /* ascending by tid */
    size_t thread_count;

    size_t threads_paused; /* how many threads were stopped at all */
    uint64_t pause_us;     /* from the first interrupt to the last release; of all bursts */
    bool pause_cut;        /* max_pause_us ended the burst before every thread had stopped */

    struct page_cache *pages; /* live reads behind the slices; private to snapshot.c */
};

struct snapshot_options {
    bool freeze;           /* stop all threads at one instant */
    uint64_t max_pause_us; /* bound of one burst; 0: the default of 50,000 */
    size_t stack_limit;    /* bytes copied of each stack at once; 0: the default of 64 KiB */

    struct maps *maps; /* as they were just now: shared with the snapshot; NULL: it reads them */

    /* What else to copy of threads that are stopped: struct burst_request. May be NULL. */
    void (*copy_more)(void *context, const struct process *process, pid_t tid, deadline_t deadline);
    void (*prepare_copy)(void *context);
    void *copy_context;

    /* For repeated looks at the same process. */
    bool again; /* this one is to be the `before` of another */
    /* NULL, or the look before this one, and of each of its threads whether its frames are known:
       one of those that has slept on since is not looked at again, and its stack is not copied. If
       this look succeeds, what `before` had for that is this one's; else it has it still. */
    struct snapshot *before;
    const bool *frames_known;
};

/*
 * Takes a snapshot; of a saved target, gives the one that was saved. Errors: ERROR_NO_PROCESS,
 * ERROR_NOT_PERMITTED (explained). A thread that cannot be read is no error: it is
 * THREAD_UNREADABLE.
 */
struct error *snapshot_take(struct process *process, const struct snapshot_options *options,
                            struct snapshot **ret) MUST_CHECK;
void snapshot_destroy(struct snapshot *snapshot);
void snapshot_cleanup(struct snapshot **snapshot);
#define CLEANUP_SNAPSHOT __attribute__((cleanup(snapshot_cleanup)))

/*
 * Stops the listed threads (indices into threads[]) in one more burst and replaces their registers
 * and stacks: for threads whose unwinding met a register that the kernel does not show of a
 * blocked one. Adds to threads_paused and pause_us. Of a saved target it does nothing.
 */
struct error *snapshot_pause_threads(struct snapshot *snapshot,
                                     const struct snapshot_options *options, const size_t *indices,
                                     size_t count) MUST_CHECK;

/*
 * A snapshot of one thread, for the safe point check: `known` is all of it but the stack, which is
 * copied now. `maps` is borrowed, and not destroyed with it. Whether the thread is where `known`
 * says for as long as that takes is the caller's business.
 */
struct error *snapshot_of_thread(struct process *process, struct maps *maps,
                                 const struct thread_snapshot *known, size_t stack_limit,
                                 struct snapshot **ret) MUST_CHECK;

/* The same of a thread that the caller itself holds stopped, by its registers. */
struct error *snapshot_of_stopped_thread(struct process *process, struct maps *maps, pid_t tid,
                                         const struct arch_regset *regset, size_t stack_limit,
                                         struct snapshot **ret) MUST_CHECK;

/*
 * Whether a thread sleeps on, for memory that only means something while it does (a lock, its
 * owner). What is read after snapshot_watch said true and before snapshot_still_asleep does, was
 * read while the thread slept in the very call that the snapshot shows, without a break. Of a
 * THREAD_BLOCKED that is so since the snapshot itself; of one that was stopped, since the watch.
 */
bool snapshot_watch(struct snapshot *snapshot, const struct thread_snapshot *thread);
bool snapshot_still_asleep(const struct snapshot *snapshot, const struct thread_snapshot *thread);

/* True of a THREAD_BLOCKED that has slept on until now, in the call that the snapshot shows: what
   was read since the snapshot of memory that only this thread changes is as it was then. */
bool snapshot_slept_through(const struct snapshot *snapshot, const struct thread_snapshot *thread);

/* A thread's name may change while it sleeps: those that slept_on have theirs of now afterwards. */
void snapshot_refresh_names(struct snapshot *snapshot);

/*
 * Target memory as `thread` saw it: from its slice, and where that ends (a second stack, a deep
 * one, the heap) read live and kept. `live` (may be NULL) is set to true when a live read of a
 * thread that is not asleep any more was needed: such bytes may be newer than the registers.
 * Returns the number of bytes copied, as remote_read does. What is read live is not kept in a
 * recording unless remote_keep is told.
 */
size_t snapshot_read(struct snapshot *snapshot, const struct thread_snapshot *thread,
                     uint64_t address, void *buffer, size_t size, bool *live);

#endif
