/*
 * The Python frames of a report's threads, each in its place among the native ones: right before
 * the frame of the interpreter's function that runs it. Which one that is, the interpreter itself
 * shows by what it keeps on the C stack for each (from 3.10 on); before, there are as many frames
 * of that function as Python frames, or no place is named.
 */
#ifndef SRC_PYTHON_FRAMES_H
#define SRC_PYTHON_FRAMES_H

#include "injector/error.h"
#include "src/dump.h"

/* What is known of the Python threads of a process, at one look. */
struct python_look;

/*
 * Before the look: lists the threads of `python` (may be NULL: nothing is to be done then), and has
 * those that the look will stop copied while they stand, by `how`. *ret stays NULL where there is
 * no need.
 */
struct error *python_look_begin(struct process *process, const struct python *python,
                                struct snapshot_options *how, const struct dump_options *options,
                                struct python_look **ret) MUST_CHECK;

/*
 * Right after it, when the layout is known: reads the frames of the threads that sleep. Those that
 * woke before that are stopped for a moment, as those that ran were.
 */
struct error *python_look_read(struct python_look **look, struct report *report,
                               const struct dump_options *options,
                               const struct snapshot_options *how) MUST_CHECK;

/*
 * Adds the frames to those of the report, once its native frames are named and no thread is stopped
 * any more. What may be wrong with them says report_python.problem.
 */
struct error *python_look_add(struct python_look *look, struct report *report,
                              const struct dump_options *options) MUST_CHECK;

/* NULL is fine. */
void python_look_end(struct python_look *look);

/* Forgets them; the frames of the thread are gone already. */
void python_frames_clear(struct report_thread *thread);

/* Zero for frames that show the same Python code at the same line, or none. */
int python_frames_compare(const struct report_frame *a, const struct report_frame *b);

/* Zero where the same is to be said of the Python code of two threads whose frames are the same. */
int python_compare(const struct report_python *a, const struct report_python *b);

#endif
