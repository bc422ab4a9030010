/*
 * The Python console as clients have it: that of frames asks for single evaluations (protocol.h,
 * MANHOLE_PYTHON); one of text speaks Python from the first prompt on where there is an
 * interpreter, and changes with `.c` and `.py`. Each runs on the worker.
 */
#ifndef PAYLOAD_PYTHON_H
#define PAYLOAD_PYTHON_H

#include "payload/console.h"

#include <stdbool.h>

/* The jobs PYTHON and PYTHON_COMPLETE. */
void python_run(struct request *request);
void python_complete(struct request *request);

/* --- Clients of text. --- */

#define PYTHON_WHY_BYTES 512

/*
 * Shows the stacks of Python's threads and its banner, and speaks Python from then on. False: it
 * does not; `why` is one line for people, "" where there is no interpreter at all.
 */
bool python_greet(struct output *output, char why[PYTHON_WHY_BYTES]);

/* Writes Python's prompt; false: Python is not spoken. */
bool python_prompt(struct output *output);

/* A line of a client who speaks Python, `.c` and `.py`; false: it is for others. */
bool python_takes_line(struct request *request);

/* For the listener: the session has ended. */
void python_end_session(void);
/* In a forked child. */
void python_forget(void);

#endif
