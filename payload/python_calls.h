/*
 * The console that is made of Python (python_console.py): its functions are called here. All of it
 * belongs to the thread of Python, which holds the GIL.
 */
#ifndef PAYLOAD_PYTHON_CALLS_H
#define PAYLOAD_PYTHON_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What it is asked to do: python_console.py, serve(). */
enum python_task {
    PYTHON_EVALUATE, /* the text: one statement, as at a prompt, or the begin of one */
    PYTHON_SCRIPT,   /* the text: any number of statements */
    PYTHON_COMPLETE, /* the text: a dotted name; candidates in the message */
    PYTHON_STACKS,   /* the stacks of all threads, in the message */
    PYTHON_GREETING, /* what an interpreter says at its start, in the message */
};

/* Beside those of enum manhole_outcome: the code raised SystemExit. */
#define PYTHON_LEFT 100

enum python_text {
    PYTHON_MESSAGE, /* why it failed: a line; or what was asked for */
    PYTHON_TRACE,   /* the traceback, as Python prints it */
    PYTHON_VALUE,   /* the repr() of the value */
    PYTHON_TYPE,    /* the name of its type */
    PYTHON_TEXTS,
};

/* What came of it. All zero is none. */
struct python_answer {
    long outcome; /* enum manhole_outcome or PYTHON_LEFT */
    size_t sizes[PYTHON_TEXTS];
    const char *texts[PYTHON_TEXTS]; /* not terminated, in `memory` */
    char *memory;
    size_t memory_size;
};
void python_answer_deinit(struct python_answer *answer);

/* Makes the console of a session; its output goes to the descriptor, and a copy of what all other
   threads print to `tee`, unless that is -1; what it reads comes from `lines`. False: it cannot be
   made. */
bool python_calls_open(int output, int tee, int lines);

/* Around each task: the session's streams are put in place, and back. Nothing may interrupt. */
void python_calls_begin(void);
void python_calls_end(void);

/* Does a task. An exception that comes out of our own code is an interrupt that came late. */
void python_calls_serve(enum python_task task, const char *text, size_t size, bool holds_value,
                        struct python_answer *ret);

/*
 * An interrupt that came too late for the task is taken here, and forgotten. Not by
 * PyThreadState_SetAsyncExc(thread, NULL): up to 3.12 that tells the evaluation loops of all
 * threads that there is an exception to be taken, and nobody ever does (pending.async_exc,
 * ceval_gil.h and ceval.c): they would look for it before each call and jump for ever after, and
 * where 3.11 traces a thread, stay there (the jump of RESUME back to itself).
 */
void python_calls_absorb(void);

/* Ends it: what was changed is as it was. */
void python_calls_close(void);
/* The interpreter is not there any more, or we are in a forked child. */
void python_calls_forget(void);

/* Whether stderr is the client's too: the option redirect_stderr. */
void python_calls_configure(bool with_stderr);

#endif
