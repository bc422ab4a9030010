/* One argument of a system call as text, by its kind. Private to syscalls.c, but for the
   text. */
#ifndef SRC_SYSCALL_ARGUMENTS_H
#define SRC_SYSCALL_ARGUMENTS_H

#include "injector/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that grows up to the size of its buffer (at least 1), and is cut there. */
struct text {
    char *buffer;
    size_t size, used;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "100 ms", "1.5 s", "20 min": a length of time with three digits or so. */
void text_add_duration(struct text *text, int64_t seconds, int64_t nanoseconds);

/* A call that a thread of the target was in when it was looked at. */
struct call {
    struct snapshot *snapshot;
    const struct thread_snapshot *thread;
    const uint64_t *arguments; /* the thread's */
    int clock;                 /* that an argument of kind "abs" counts on */
};

/*
 * Adds "name value" of an argument. False where it is not worth showing (a flag word of 0, say):
 * nothing was added. `kind`, of `length` bytes, is one of
 *
 *   fd    descriptor, with its link text    dfd   the same, or AT_FDCWD
 *   p     address                           x     bits; 0 is not shown
 *   d     int                               any   bits; all of 32 set is not shown
 *   u     unsigned long                     w     unsigned int
 *   ms    int, milliseconds; -1: for ever   ts    struct timespec: how long; NULL: for ever
 *   tv    struct timeval, the same          abs   struct timespec: until when; NULL: for ever
 *   clk   clock                             tsf   struct timespec: until when if the argument
 *   sig   signal                                  before it has TIMER_ABSTIME, else how long
 *   set   signal set; NULL is not shown     str   string
 *   poll  struct pollfd[]; its length is    fds   fd_set; its length is the first argument; NULL is
 *         the next argument                       not shown
 *   lock  operation of flock(2)             cmd   command of fcntl(2)
 *   idt   what waitid(2) waits for          -     not shown
 */
bool argument_add(struct text *text, const struct call *call, const char *name, const char *kind,
                  size_t length, size_t index);

#endif
