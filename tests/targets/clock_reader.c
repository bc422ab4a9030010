/* A thread that is nearly always in the vDSO, of which there is no file. */
#include <time.h>

#include "tests/targets/chain.h"

static NOINLINE void read_clock(void)
{
    struct timespec now;
    for (;;)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    read_clock();
    return 0;
}
