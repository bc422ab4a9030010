// BUILD: -fsanitize=thread
/* poller.c with ThreadSanitizer: a pthread_create taken from the C library itself would crash. */
#include "poller.c"
