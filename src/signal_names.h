/* The names of signals, as people write them. */
#ifndef SRC_SIGNAL_NAMES_H
#define SRC_SIGNAL_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* "USR1", "SIGUSR1", "usr1", "10", "RTMIN+1", "RTMAX-1": the number; 0: none has that name. */
int signal_number(const char *name);

/* "USR1"; "RTMIN+1"; "?" for what is no signal. Valid until the next call. */
const char *signal_name(int number);

/* "SIGUSR1", "SIGUSR1 or SIGUSR2" of a mask (bit n - 1 for signal n), cut to fit; "" of none. */
void signal_names(uint64_t mask, char *buffer, size_t size);

#endif
