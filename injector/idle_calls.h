/* System calls in which a thread waits for something from outside its process, and so may be
   borrowed. */
#ifndef INJECTOR_IDLE_CALLS_H
#define INJECTOR_IDLE_CALLS_H

#include <stdbool.h>

/*
 * Calls in which a thread sleeps for something that other processes or time bring. No allocator, no
 * loader and no thread library waits in one of them while it holds a lock.
 */
bool is_idle_call(long number);

bool is_read_call(long number);

/*
 * Of these, the calls that a mere stop makes return EINTR, unless somebody repairs it (tracee.h):
 * if we are killed in the microseconds before the repair the program sees that. So others are
 * preferred.
 */
bool may_give_eintr(long number);

#endif
