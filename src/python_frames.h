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

/*
 * Reads them and adds them, once the native frames are named. Of a thread that slept from the look
 * on until they were read they are true; of others report_python.problem says what is wrong.
 */
struct error *python_frames_add(struct report *report,
                                const struct dump_options *options) MUST_CHECK;

/* Forgets them; the frames of the thread are gone already. */
void python_frames_clear(struct report_thread *thread);

/* Zero for frames that show the same Python code at the same line, or none. */
int python_frames_compare(const struct report_frame *a, const struct report_frame *b);

/* Zero where the same is to be said of the Python code of two threads whose frames are the same. */
int python_compare(const struct report_python *a, const struct report_python *b);

#endif
