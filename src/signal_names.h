/* The names of signals, as people write them. */
#ifndef SRC_SIGNAL_NAMES_H
#define SRC_SIGNAL_NAMES_H

/* "USR1", "SIGUSR1", "usr1", "10", "RTMIN+1", "RTMAX-1": the number; 0: none has that name. */
int signal_number(const char *name);

/* "USR1"; "RTMIN+1"; "?" for what is no signal. Valid until the next call. */
const char *signal_name(int number);

#endif
