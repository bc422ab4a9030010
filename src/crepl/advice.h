/* How to get what the C console lacks. */
#ifndef SRC_CREPL_ADVICE_H
#define SRC_CREPL_ADVICE_H

#include "src/crepl/names.h"

/* Says once, as a note, how to get the debug information of the program, if it has none. */
void advise_debug_information(struct names *names);

#endif
