/*
 * What all other threads of Python print, shown to the client of a session that speaks Python: the
 * option `redirect`. It goes where it always goes, too; a copy of it comes through a pipe, which
 * takes what it can hold and makes nobody wait (python_console.py, make_tee).
 */
#ifndef PAYLOAD_PYTHON_TEE_H
#define PAYLOAD_PYTHON_TEE_H

#include "payload/output.h"

#include <poll.h>
#include <stdbool.h>

/* Before the first session: whether it is wanted. */
void python_tee_configure(bool wanted);

/* With the thread of Python, and after it: nobody may write when it is closed. False: no
   descriptors for it. */
bool python_tee_open(void);
void python_tee_close(void);

/* The end that Python writes to; -1 when there is none. */
int python_tee_fd(void);

/* What to wait for; `fd` is -1 when there is nothing. */
struct pollfd python_tee_events(void);
/* Hands on what has come. */
void python_tee_forward(struct output *output);

#endif
