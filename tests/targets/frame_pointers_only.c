// BUILD: -g0 -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-omit-frame-pointer
/* No unwind tables at all, but frame pointers. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
