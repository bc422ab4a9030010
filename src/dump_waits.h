/* Waits in words: what src/waits.h found, as the text form shows it. */
#ifndef SRC_DUMP_WAITS_H
#define SRC_DUMP_WAITS_H

#include "src/dump.h"
#include "src/waits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * May two threads whose stacks are alike share one text? 0: yes. They must wait for the same kind
 * of thing, and on the same owner, if that is known; what else differs is shown as "...".
 */
int waits_compare(const struct wait *a, const struct wait *b);

/*
 * "waits for mutex 0x55.. <b> held by 12 "worker-2"" of one or more threads that waits_compare
 * finds alike, without a newline; not sanitized. False: there is nothing to say that the head of
 * the thread does not.
 */
bool waits_describe(const struct wait *const *waits, size_t count, char *buffer, size_t size);

/* One line for each deadlock and each thread that holds up others, and an empty one behind, if
   there are any. `begin` and `end` set off the first word of a deadlock. */
void waits_print_summary(const struct report *report, FILE *out, const char *begin,
                         const char *end);

#endif
