// CC: musl-gcc
// BUILD: -static
/* A static program of musl, whose functions have no unwind tables. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
