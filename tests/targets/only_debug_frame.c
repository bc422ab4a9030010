// BUILD: -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer
/* Its unwind tables are in .debug_frame, which is not loaded; no frame pointers. */
#include "tests/targets/chain.h"

int main(void)
{
    chain_outer(0);
    return 0;
}
