// CC: musl-gcc
/* poller.c in a program of musl, whose C library has no unwind tables and never unloads anything.
 */
#include "poller.c"
