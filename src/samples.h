/*
 * What repeated looks at one target found: each thread's stacks, and how often each was seen. Owns
 * copies of all names, since the reports they came from are gone by then. A dump without --count is
 * a single sample.
 */
#ifndef SRC_SAMPLES_H
#define SRC_SAMPLES_H

#include "src/dump.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A function as a stack names it; equal ones exist once. Strings are as the target has them. */
struct sample_frame {
    char *name;   /* the function; without one "0x401136", or "[libx.so+0x1136]" within a file; of a
                     flaw "[racy]" and the like */
    char *module; /* path of its file; NULL: none */
    char *file;   /* of its source; NULL: unknown */
    bool named;   /* name is a function's */
    bool inlined; /* into the next frame outwards */
    bool guess;   /* found by a scan of the stack: it may not have called anything */
    bool jit;     /* code that a runtime made */
    bool flaw;    /* no frame, but why a stack is not the whole truth; stands outermost */
    size_t number; /* in samples->frames */
};

/* A stack of one thread; stacks are the same where they name the same functions. */
struct sample_stack {
    const struct sample_frame **frames; /* innermost first */
    size_t depth;                       /* 0: no frames were found */
    const struct sample_frame *flaw;    /* NULL: it is whole */
    size_t count;                       /* in how many samples it was seen */
    size_t last;                        /* the number of the last of them */
    uint64_t addresses;                 /* hash of its program counters in the last of them */
    bool moved;                         /* not at the same addresses each time */
    size_t number;                      /* in the order of their discovery */
};

/* Successive samples with the same stack. */
struct sample_run {
    size_t stack; /* its number */
    size_t count;
};

struct sample_thread {
    pid_t tid;
    uint64_t start_time; /* with tid: which thread it is */
    char name[64];       /* in the last sample of it */
    size_t seen;         /* in how many samples */
    size_t first, last;  /* the numbers of the first and the last of them, from 1 on */
    bool switches_known;
    uint64_t switches; /* how often it was put on a processor between the first and the last one */
    uint64_t runs;     /* struct thread_snapshot, in the last one */
    struct sample_stack *stacks; /* most frequent first, once samples_sort was called */
    size_t stack_count;
    struct sample_run *sequence; /* what was seen, in order */
    size_t run_count;
};

struct samples {
    pid_t pid;
    char *executable;           /* in the last sample */
    struct timespec began;      /* CLOCK_REALTIME, of the first sample */
    uint64_t first_us, last_us; /* when the first and the last one were taken, deadline.h */
    size_t count;
    size_t pauses;                       /* how many threads were stopped, over all samples */
    uint64_t pause_us, longest_pause_us; /* of all samples together, of the worst one */
    struct sample_thread *threads;       /* ascending by tid, once samples_sort was called */
    size_t thread_count;
    const struct sample_frame **frames; /* all there are, flaws included */
    size_t frame_count;
    struct samples_index *index; /* private to samples.c */
};

struct error *samples_create(pid_t pid, struct samples **ret) MUST_CHECK;
void samples_destroy(struct samples *samples);

/* Counts one look, which was taken just now. */
struct error *samples_add(struct samples *samples, const struct report *report) MUST_CHECK;

/* Takes over the names that threads have now, as the snapshot of the last look tells them. */
void samples_rename(struct samples *samples, const struct snapshot *snapshot);

/* Brings threads and stacks into their order; no samples_add after it. */
void samples_sort(struct samples *samples);

/* The thread of the report's last look; after samples_sort. NULL: not among them. */
const struct sample_thread *samples_find(const struct samples *samples,
                                         const struct thread_snapshot *thread);

/* The time that one sample stands for, in us: what really passed from one to the next; 0: there is
   but one. */
uint64_t samples_period_us(const struct samples *samples);

#endif
