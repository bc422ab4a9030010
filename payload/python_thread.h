/*
 * The thread that Python runs on. PyGILState_Ensure has no deadline, so a thread of its own waits
 * for the GIL, while the worker waits for that thread only as long as it likes. When nobody wants
 * the GIL any more by the time it comes, the thread gives it back at once.
 *
 * It is there for a session: made when Python is first asked for something, ended with it. Its
 * Python thread state stays for as long, so that what the user keeps in thread-local objects lasts.
 */
#ifndef PAYLOAD_PYTHON_THREAD_H
#define PAYLOAD_PYTHON_THREAD_H

#include "payload/output.h"
#include "payload/python_calls.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum python_status {
    PYTHON_SERVED,      /* `ret` says what came of it */
    PYTHON_NO_THREAD,   /* no memory, descriptors or thread for it */
    PYTHON_NO_GIL,      /* it did not come in time */
    PYTHON_OCCUPIED,    /* the thread still does what it was asked before */
    PYTHON_ENDED,       /* the interpreter ended the thread: the program exits */
    PYTHON_LEFT_BEHIND, /* it was interrupted and the client left: it still runs */
};

/*
 * For the worker: has a task done, and sends to `output` what is printed meanwhile. `text` is
 * copied. The answer is the caller's, of PYTHON_SERVED alone. Waits at most gil_ms for the GIL;
 * then until the task is done. `flags` are
 * those of struct manhole_python. An interrupt of the worker raises KeyboardInterrupt in it.
 */
enum python_status python_thread_serve(enum python_task task, const char *text, size_t size,
                                       uint32_t flags, unsigned gil_ms, struct output *output,
                                       struct python_answer *ret);

/* One line for people: why it was not PYTHON_SERVED. */
void python_thread_explain(enum python_status status, unsigned gil_ms, char *text, size_t size);

/* For the listener: the worker has something to look at. */
void python_thread_wake(void);

/* For the listener: the session has ended, and with it the thread, as soon as it can. */
void python_thread_leave(void);
/* True when no thread of ours is in Python, or waits for it. Frees what an ended one has left. */
bool python_thread_at_rest(void);
pid_t python_thread_tid(void);
/* What a thread of ours that is not at rest does, for people: "waits for ...". */
const char *python_thread_state(void);

/* True on the thread itself, also in a child that its own code forked. */
bool python_thread_is_caller(void);
/* In a forked child. */
void python_thread_forget(void);

#endif
