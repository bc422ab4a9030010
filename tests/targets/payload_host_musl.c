// CC: musl-gcc
// BUILD: -rdynamic
/* The same program with another C library. */
#include "payload_host.c"
