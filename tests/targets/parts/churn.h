/* What the parts of churn.c share: its workers, and what each of them does in turn. */
#ifndef CHURN_H
#define CHURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#else

#define WORKERS 4
#define BLOCKS 64
#define ALTERNATE_STACK (32 * 1024)
#define PRECIOUS 4711 /* an errno that nothing sets */

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char tag;
};

struct worker {
    int number, tid;
    unsigned random;
    struct block blocks[BLOCKS];
    unsigned char alternate_stack[ALTERNATE_STACK];
    atomic_long handled;        /* signals, of any kind */
    atomic_long ticks;          /* of its timer, with those that came while one was pending */
    atomic_ullong got;          /* sum of the values that came with signals of the others */
    _Atomic(void *) coroutines; /* its other stack */
};

extern struct worker workers[WORKERS];
extern _Thread_local struct worker *self;
extern atomic_ullong mailed[WORKERS]; /* sums of the values that were sent to each */
extern const char *library_path;
extern bool can_restart; /* sequences of our own, by rseq(2) */
extern int mail_signal;

unsigned churn_random(unsigned below);
/* Sleeps for a moment in one of several calls: errno and EINTR are as they must be. */
void churn_nap(void);

void churn_memory(void);
void churn_free_all(void);
void churn_library(void);
void churn_threads(void);
void churn_processes(void);
void churn_sequences(void);
bool churn_sequences_are_right(void);
void churn_coroutines(void);
void churn_mail(void);
#endif

/* Prints "bad WHAT: VALUE". */
void churn_bad(const char *what, long value);
void churn_exceptions(unsigned random);

#ifdef __cplusplus
}
#endif
#endif
