// BUILD: -Wl,--no-eh-frame-hdr
/* Has .eh_frame, but no search table for it. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
