// BUILD: -fuse-ld=lld
/* lld lets two segments share one page of the file: offsets do not tell mappings apart. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
