// BUILD: -fsanitize=address
/* poller.c with AddressSanitizer: malloc, pthread_create and poll itself are interposed. */
#include "poller.c"
