/*
 * Calls a function of a shared object inside the target by a loan of one of its threads for
 * microseconds (DESIGN.md section 5): the borrowed thread calls pthread_create, the new bootstrap
 * thread does everything slow. Our death at any moment leaves the target running correctly.
 */
#ifndef INJECTOR_INJECT_H
#define INJECTOR_INJECT_H

#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a loan would do, found out from outside: nothing is stopped, nothing changed. */
struct inject_plan {
    bool loaded;     /* a shared object with our soname is in the link map */
    uint64_t handle; /* its dlopen handle (the link map entry), when loaded */
    bool is_musl;
    char libc_path[256]; /* of the target's C library, as the target names it */
    size_t thread_count; /* living threads */
    size_t candidates;   /* threads that look borrowable now */
    char note[256];      /* what will limit it ("1 thread filtered by seccomp"), or "" */
};

/*
 * Checks that a loan is possible. Errors: ERROR_UNSUPPORTED (static program, 32-bit target,
 * seccomp, no pthread_create or dlopen), ERROR_NOT_PERMITTED (explained), ERROR_NO_PROCESS.
 */
struct error *inject_plan(struct process *process, const char *soname,
                          struct inject_plan *ret) MUST_CHECK;

struct inject_request {
    const char *soname; /* of the payload: "libmanhole.so" */
    const void *image;  /* the payload's bytes, when it is to be loaded; else NULL */
    size_t image_size;
    const char *function; /* exported by the payload: int function(void *argument, size_t size,
                             char *message, size_t message_size) */
    const void *argument; /* bytes copied into the mailbox, at most INJECT_ARGUMENT_MAX */
    size_t argument_size;
    bool unload;         /* dlclose the payload after the function returned 0 */
    uint64_t timeout_us; /* for everything; 0: 5 seconds */
};

#define INJECT_ARGUMENT_MAX 2048
#define INJECT_MESSAGE_MAX 1024

struct inject_result {
    int status;                       /* what the function returned: 0, or an errno */
    char message[INJECT_MESSAGE_MAX]; /* what it wrote into message */
    bool unloaded;                    /* the payload left the link map */
    pid_t borrowed;                   /* the thread of the loan */
    uint64_t stopped_us;              /* how long that thread was stopped or away, in all loans */
    unsigned attempts;                /* stops that met no safe point before */
};

/*
 * The loan. Afterwards nothing of it is left in the target: no thread, no memory, no changed byte
 * of code (a C library may keep an arena of malloc for the thread it had). When the function fails,
 * a payload that this very call has loaded is unloaded again. What an earlier manhole-attach that
 * was killed has left is cleaned up first. Takes process_lock.
 *
 * All of it is done by a helper process (helper.h). When we are killed it finishes or undoes what
 * it had begun. Killed itself, it leaves a target that goes on, too, but one thing may be seen: a
 * thread in a call that any stop makes return EINTR (epoll_wait, semop, sigtimedwait, a socket with
 * a time-out) returns that when the helper dies in the microseconds between its stop and the
 * repair; such threads are borrowed last.
 *
 * Errors beside those of inject_plan: ERROR_DEADLINE (no safe point: a histogram of where
 * the threads were; or: loaded but no answer, and where the new thread hangs), ERROR_STATE (unload
 * without a loaded payload), ERROR_PARTIAL with the dlerror text when dlopen or dlsym failed.
 */
struct error *inject_call(struct process *process, const struct inject_request *request,
                          struct inject_result *ret) MUST_CHECK;

#endif
