// BUILD: -static
/* The same without a C library of its own file: its functions are the program's. */
#include "lock_waiters.c"
