// BUILD: -g0 -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-omit-frame-pointer
/* A frame pointer chain that leads back to itself: an unwinder must come to an end. */
#include "tests/targets/chain.h"

static NOINLINE void loops(int depth)
{
    void **frame = __builtin_frame_address(0);
    frame[0] = frame;
    chain_outer(depth);
    __asm__ volatile("" ::: "memory");
}

int main(void)
{
    loops(0);
    return 0;
}
