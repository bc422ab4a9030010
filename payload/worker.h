/*
 * The worker: the thread that does what a client asks for, one job at a time. It sleeps when there
 * is none, so that the listener can answer others, see the client leave, and cut a job off.
 */
#ifndef PAYLOAD_WORKER_H
#define PAYLOAD_WORKER_H

#include "payload/descriptor.h"
#include "payload/memory.h"
#include "payload/output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum job_kind {
    JOB_BANNER,   /* text: the banner and the first prompt */
    JOB_UPGRADE,  /* frames: MANHOLE_UPGRADED and HELLO */
    JOB_RUN,      /* a command line */
    JOB_READ,     /* a struct manhole_range */
    JOB_COMPLETE, /* a partial line */
    JOB_HANDLE,   /* the client as a whole: a function of the user's serves him */
    JOB_LOAD,     /* code.h */
    JOB_UNLOAD,
    JOB_EXECUTE,
    JOB_WRITE,
    JOB_PYTHON,          /* python.h */
    JOB_PYTHON_COMPLETE, /* a partial line of Python */
    JOB_REFUSE,          /* something wrong with the request: `data` says what */
    JOB_NOTICE,          /* `data` is a line for the client, which asked for nothing */
    JOB_SHOW,            /* what others printed in Python: python_tee.h */
    JOB_STOP,            /* the worker ends */
};

struct job {
    enum job_kind kind;
    struct descriptor socket;
    enum output_form form;
    uint32_t id;
    const char *data; /* not terminated; must stay until the job is done */
    size_t size;
    pid_t client;
    struct arena *arena; /* memory that lives as long as the session */
};

enum job_result {
    JOB_DONE,
    JOB_QUIT,    /* the client wants to leave */
    JOB_SERVED,  /* nothing more is to be said to the client */
    JOB_LOST,    /* the client is gone */
    JOB_STALLED, /* the client does not read */
    JOB_DIED,    /* the worker ended with it (pthread_exit): it must be buried */
};

/* Starts the thread; it rings the bell when a job is done. 0 or an errno. */
int worker_start(void);
/* Waits for it to run, at most until `end` (sys_now_ms). */
bool worker_wait_started(uint64_t end);
/* Joins it; JOB_STOP must have been given. */
void worker_join(void);
/* In a forked child. */
void worker_forget(void);
/* True when the calling thread runs on the worker's stack: also in a child that the worker's own
   code forked, where it has another thread id. */
bool worker_is_caller(void);

/* For the listener: gives a job; the worker must be idle. */
void worker_give(const struct job *job);
/* From then on until its result is taken. */
bool worker_busy(void);
/* True when the last job is done: its result, once. */
bool worker_take_result(enum job_result *result);
/* Asks the running job to end; to be repeated while it does not. */
void worker_interrupt(void);
/* The job has heard of it, and goes on all the same. */
void worker_forget_interrupt(void);
/* The running job is over but for its last words: what a client says who has heard them is about
   the next. */
bool worker_answering(void);
/* True when the thread is gone though a job runs. Buries it and starts another: 0 or errno. */
bool worker_is_dead(void);
int worker_replace(void);
/* No client: the idle worker's thread gets its name back. */
void worker_rest(void);
pid_t worker_tid(void);

/* For the worker itself: the running job was asked to end. */
bool worker_interrupted(void);
/* Before it says the last words of its job. */
void worker_answer(void);

#endif
