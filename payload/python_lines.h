/*
 * Lines that code of a session reads in Python (input(), sys.stdin.readline()): its thread asks for
 * one through a socket, and gets it there in pieces (python_console.py, make_read_line), while the
 * worker asks the client.
 */
#ifndef PAYLOAD_PYTHON_LINES_H
#define PAYLOAD_PYTHON_LINES_H

#include "payload/output.h"

#include <poll.h>
#include <stdbool.h>

/* With the thread of Python, and after it. False: no descriptors for it. */
bool python_lines_open(void);
void python_lines_close(void);
/* Python's end. */
int python_lines_fd(void);

/* --- For the worker, while a task runs. --- */

/* Nothing of an earlier task is there any more. `answers`: the client answers who reads; if not,
   each line is the end of input. */
void python_lines_begin(bool answers);
/* Nor is anything read for this one any more. */
void python_lines_end(void);
/* Who reads has the end of input from now on. */
void python_lines_hang_up(void);

struct pollfd python_lines_events(void);
/* True when a line is asked for, once. */
bool python_lines_asked(void);
/* Then, when what was printed before is sent: asks the client for it. */
void python_lines_want(struct output *output);
/* Hands on what the client has answered. */
void python_lines_step(void);
/* Who reads gets a KeyboardInterrupt; false: nobody does. */
bool python_lines_interrupt(void);

#endif
