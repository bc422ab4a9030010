/*
 * What a target answered while it was looked at, so that the same questions get the same answers
 * later and elsewhere, without the target. process.h asks the questions and keeps the answers
 * (process_record), or takes them from here (a saved target); nobody above it knows the difference.
 *
 * A question that was asked several times may have had several answers: they come back in their
 * order, and the last one again and again. So whoever reads a word twice, to see whether it
 * changed, sees now what it saw then.
 */
#ifndef INJECTOR_RECORDING_H
#define INJECTOR_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers stand in files (manhole-snapshot(5)): never change one. */
enum question_kind {
    QUESTION_FILE = 1,        /* below /proc/PID/task/NUMBER: its text */
    QUESTION_LINK = 2,        /* a symbolic link there: its text */
    QUESTION_SYSTEM_FILE = 3, /* below /proc, of no thread of the target */
    QUESTION_MEMORY = 4,      /* `size` bytes from address NUMBER on, or as many as can be read */
    QUESTION_CLOCK = 5,       /* clock NUMBER of clock_gettime(2), as the target counts it */
    QUESTION_SNAPSHOT = 6,    /* the snapshot: snapshot_code.h */
    QUESTION_STACK = 7,       /* the frames found of thread NUMBER: snapshot_code.h */
    QUESTION_FILE_BYTES = 8,  /* the file mapped from address NUMBER on: one that is gone */
    QUESTION_CODE_NAME = 9,   /* what covers the code at address NUMBER: code_name.h */
    QUESTION_FILE_STATE = 10, /* what became of the file mapped from NUMBER on: module.h */
    QUESTION_ASLEEP = 11, /* whether thread NUMBER sleeps as it did: one byte; `size`: who asks */
    QUESTION_PYTHON = 12, /* where the interpreter of Python is: python_find.c */
    /* that a variable of the Python frame at NUMBER changed while it was read: python_locals.c */
    QUESTION_PYTHON_CHANGING = 13,
};

struct question {
    enum question_kind kind;
    uint64_t number;
    uint64_t size;
    const char *name; /* or NULL */
};

/* errnum 0: the bytes; otherwise there are none. */
struct answer {
    int errnum;
    const uint8_t *bytes; /* owned by the recording */
    size_t size;
};

struct recording;

/* NULL without memory. */
struct recording *recording_create(void);
void recording_destroy(struct recording *recording);

/* Forgets everything: what was asked so far is known otherwise. */
void recording_clear(struct recording *recording);

/* Without memory the recording is not complete from then on. */
bool recording_is_complete(const struct recording *recording);

/* Keeps the next answer to a question. The bytes are copied. */
void recording_add(struct recording *recording, const struct question *question, int errnum,
                   const void *bytes, size_t size);

/* The same answer several times. */
void recording_add_times(struct recording *recording, const struct question *question,
                         const struct answer *answer, uint32_t repeats);

/* The answer to a question whose turn it is. False: it was never asked. */
bool recording_next(struct recording *recording, const struct question *question,
                    struct answer *ret);

/* The last answer, whatever was given out before. */
bool recording_last(struct recording *recording, const struct question *question,
                    struct answer *ret);

/* Keeps bytes of memory by address, whoever asked for them and how; later ones replace others. */
void recording_add_memory(struct recording *recording, uint64_t address, const void *bytes,
                          size_t size);

/* How many of the bytes from `address` on are kept without a gap, copied to the buffer. */
size_t recording_read_memory(const struct recording *recording, uint64_t address, void *buffer,
                             size_t size);

/*
 * Everything that is in it, in an order that no hash decides: answers in that in which their
 * questions were first asked (each `repeats` times in a row), memory in ascending ranges.
 */
void recording_each_answer(const struct recording *recording,
                           void (*visit)(const struct question *, const struct answer *,
                                         uint32_t repeats, void *context),
                           void *context);
void recording_each_range(struct recording *recording,
                          void (*visit)(uint64_t address, const uint8_t *bytes, size_t size,
                                        void *context),
                          void *context);

#endif
