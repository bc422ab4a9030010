// BUILD: -g0 -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer
/* Neither unwind tables nor frame pointers: its callers can only be guessed. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
