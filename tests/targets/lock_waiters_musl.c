// CC: musl-gcc
/* The same with musl, whose locks are laid out differently and tell less. */
#include "lock_waiters.c"
