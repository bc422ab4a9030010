/* The options of an installation: their defaults, their checks, and their textual form, which the
   variable MANHOLE has. */
#ifndef PAYLOAD_OPTIONS_H
#define PAYLOAD_OPTIONS_H

#include "payload/manhole.h"

/*
 * Copies what a caller gave (`size` bytes; NULL: nothing), defaults for the rest, and checks it.
 * 0, EINVAL, ENAMETOOLONG or MANHOLE_CONFIGURATION_CONFLICT, with a line in `message`.
 */
int options_take(const void *from, size_t size, struct manhole_options *to, char *message,
                 size_t message_size);

/*
 * "activate_on=USR2,verbose=0": the names of python-manhole's install(), values as Python or people
 * write them (True, no, 0.5, 'in quotes'). "": the defaults. Errors as above.
 */
int options_parse(const char *text, struct manhole_options *to, char *message, size_t message_size);

#endif
