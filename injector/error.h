/*
 * Errors as values. A function of libinjector that may fail returns `struct error *`: NULL is
 * success, anything else is owned by the caller, who passes it up untouched or destroys it. The
 * message is made where the cause is known and printed once, in main.
 */
#ifndef INJECTOR_ERROR_H
#define INJECTOR_ERROR_H

/* The kind is the exit status of manhole-attach (DESIGN.md section 3). */
enum error_kind {
    ERROR_PARTIAL = 1,       /* done in part, or a resource of our own failed us (disk, memory) */
    ERROR_USAGE = 2,         /* the request makes no sense */
    ERROR_NO_PROCESS = 3,    /* no such process, or it ended meanwhile */
    ERROR_NOT_PERMITTED = 4, /* the message names the knob that forbids it */
    ERROR_UNSUPPORTED = 5,   /* a target that cannot be attached */
    ERROR_STATE = 6,         /* already installed under other options, or not installed */
    ERROR_DEADLINE = 7,      /* a deadline passed: no safe point, no answer */
};

struct error {
    enum error_kind kind;
    int errnum;    /* the errno behind it, or 0 */
    char *message; /* "what: why; what to do next": one line, no newline, no program name */
};

#define MUST_CHECK __attribute__((warn_unused_result))

/*
 * A new error. `format` must not end in a newline. With errnum != 0 the text of that errno is NOT
 * appended: say it in the words of the user. Never returns NULL: without memory it returns a
 * static error that says so.
 */
struct error *error_create(enum error_kind kind, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4), returns_nonnull)) MUST_CHECK;

/* An error for memory that malloc refused. */
struct error *error_no_memory(void) __attribute__((returns_nonnull)) MUST_CHECK;

/* Frees an error; NULL is fine. */
void error_destroy(struct error *error);

void error_cleanup(struct error **error);
#define CLEANUP_ERROR __attribute__((cleanup(error_cleanup)))

#endif
