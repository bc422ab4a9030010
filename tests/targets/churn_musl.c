/* churn.c in a program of musl: no unwind tables in its C library, no coroutines, no C++. */
// CC: musl-gcc
// BUILD: tests/targets/parts/churn_*.c
#include "churn.c"

/* Linked without libstdc++. */
void churn_exceptions(unsigned random)
{
    (void)random;
}
