// BUILD: -static-pie
/* A static program at a random address, without a dynamic loader. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
