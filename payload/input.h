/*
 * A line of the client's for the job that runs, where that reads one: the worker asks, and the
 * listener, who has what the client sends, gives it.
 */
#ifndef PAYLOAD_INPUT_H
#define PAYLOAD_INPUT_H

#include <stdbool.h>
#include <stddef.h>

/* For the worker: from then on until the line is there, what the client sent may be moved, the
   job's own data among it. */
void input_ask(void);
/* The line, once it is there: until input_drop it stays where it is. Of size 0: the end of input.
 */
bool input_take(const char **line, size_t *size);
void input_drop(void);

/* For the listener: whether one is asked for; and here it is. */
bool input_asked(void);
void input_give(const char *line, size_t size);

/* The worker has handed an interrupt of the job on to who was reading, and that was all there was
   to it; true once, for the listener. */
void input_interrupt(void);
bool input_took_interrupt(void);

#endif
