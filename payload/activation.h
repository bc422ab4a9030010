/*
 * The signals that open the manhole: activate_on for good, oneshot_on for one client, while the
 * thread that got the signal waits in the handler. The handlers do nothing but ask the listener,
 * and nothing at all in a forked child.
 */
#ifndef PAYLOAD_ACTIVATION_H
#define PAYLOAD_ACTIVATION_H

#include <stdint.h>

/* Puts the handlers in place, when the listener runs; 0: no such signal. 0 or an errno: then none
   is in place. */
int activation_begin(uint32_t activate_on, uint32_t oneshot_on);

/* Puts back what was there, unless the program has put something else there; returns when no thread
   is inside any more. Also in a forked child; does nothing when there is nothing to do. */
void activation_end(void);

#endif
