// BUILD: -rdynamic
/* The same with musl. */
// CC: musl-gcc
#include "forker.c"
