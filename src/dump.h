/*
 * The dump verb: snapshot, unwind, names, and one of the output forms. The report is what the
 * forms print: everything about every thread, resolved, with no trace of how it is shown.
 */
#ifndef SRC_DUMP_H
#define SRC_DUMP_H

#include "injector/error.h"
#include "injector/goroutines.h"
#include "injector/process.h"
#include "injector/python.h"
#include "injector/snapshot.h"
#include "injector/unwind.h"
#include "src/layout.h"
#include "src/options.h"
#include "src/symbols.h"
#include "src/variables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct report_frame {
    struct frame frame;                /* of an inlined frame: the physical frame it is part of */
    struct location location;          /* names, file, line; src/symbols.h */
    struct frame_variables *values;    /* with --locals; NULL: none, or no debug information */
    const struct python_frame *python; /* a frame of Python code, named in `location`; `frame` is
                                          the native one that runs it, where that is known */
    bool folded; /* part of how the interpreter runs Python frames: src/python_frames.h */
};

/* What is known of a thread's Python code. */
struct report_python {
    struct python_stack *stacks; /* one for each interpreter that it runs code of */
    size_t stack_count;
    struct frame_variables ***values; /* with --locals: of each frame of each of them, until they
                                         go over to the report's frames; NULL: none */
    struct report_frame *apart;       /* those whose place among the native frames is not known */
    size_t apart_count;
    const char *problem; /* static: why they may not be true, or not be all; NULL: they are */
};

struct report_thread {
    const struct thread_snapshot *thread;
    struct report_frame *frames; /* inlined ones included, innermost first */
    size_t frame_count;
    enum unwind_end end;
    const char *reason; /* why the stack ends early, or NULL */
    bool live;
    const struct sample_thread *samples; /* NULL: it was looked at once; src/samples.h */
    bool saved;   /* the frames are those found where it was saved: a file of them is not here */
    bool lasting; /* they hold, names included, while the thread sleeps on in the same layout */
    bool kept;    /* they are those of the look before this one: it has slept on since */
    struct report_python *python; /* NULL: no Python code, or none that could be read */
    size_t folded_count;          /* how many of the frames are `folded` */
};

struct report_goroutine {
    const struct goroutine *goroutine;
    struct report_thread stack; /* of no thread */
};

struct report {
    struct process *process;
    struct snapshot *snapshot;
    struct layout *layout;   /* shared with the looks before and after */
    struct modules *modules; /* the layout's */
    struct symbols *symbols; /* the layout's */
    struct report_thread *threads;
    size_t thread_count;
    const struct python *python;        /* the layout's; NULL: no Python program */
    const char *python_threads_problem; /* static: why some Python threads may have no Python frames
                                           here; or NULL */
    struct goroutines *goroutines;      /* NULL: no Go program */
    struct report_goroutine *goroutine_stacks; /* goroutines->count */
    struct waits *waits;                       /* why each of them waits; NULL: not asked */
    const struct samples *samples; /* NULL: one look; else this is the last of several */
    bool partial;                  /* a thread has no frames, and no zombie either: exit status 1 */
};

/*
 * Names the frames of one thread (an index of threads[]) anew, after another unwinding. The values
 * of the old ones are gone.
 */
struct error *report_name_thread(struct report *report, size_t index,
                                 const struct stack *stack) MUST_CHECK;

/*
 * Looks at a target and resolves everything; the target runs on by then. `before` is NULL, or the
 * report of an earlier look with the same options: what that learned of the target's files is not
 * sought again as long as it holds, nor are the stacks of threads that have slept on since. Of
 * those the frames go over to the new report: `before` is good for report_destroy alone then. With
 * options->count above 1 why the threads wait is left out: report_find_waits.
 */
struct error *report_create(struct process *process, const struct dump_options *options,
                            struct report *before, struct report **ret) MUST_CHECK;

/* Fills report->waits, soon after the look. Only memory can be short. */
struct error *report_find_waits(struct report *report) MUST_CHECK;
void report_destroy(struct report *report);
void report_cleanup(struct report **report);
#define CLEANUP_REPORT __attribute__((cleanup(report_cleanup)))

/*
 * One form each. `colour` only for a terminal. What `out` failed to write shows in ferror(3).
 */
void dump_text(const struct report *report, const struct dump_options *options, FILE *out,
               bool colour);
struct error *dump_json(const struct report *report, const struct dump_options *options,
                        FILE *out) MUST_CHECK;

/* The verb. Returns the exit status; errors are printed to standard error as they happen, since one
   target of several may fail alone. */
int dump_run(const struct options *options);

/* The stacks shown on connect: a dump in text to `out`. ERROR_* as report_create. */
struct error *dump_stacks(struct process *process, FILE *out, bool colour) MUST_CHECK;

#endif
