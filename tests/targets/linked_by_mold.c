// BUILD: -fuse-ld=mold
/* mold lays segments out as densely as lld, and in another order. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
