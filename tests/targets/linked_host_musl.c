// CC: musl-gcc
/* The same program with another C library. */
#include "linked_host.c"
