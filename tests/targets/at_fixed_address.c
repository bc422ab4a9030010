// BUILD: -no-pie -fno-pie
/* A program linked for one address: its bias is 0. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
