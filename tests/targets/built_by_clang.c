// CC: clang
// BUILD: -fuse-ld=lld
/* clang leaves .debug_aranges out, and lld links without a build-id. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
