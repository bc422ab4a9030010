/* Three functions that call one another and wait: what a stack must show, whatever linked it. */
#include <stdio.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

NOINLINE void chain_inner(int depth);
NOINLINE void chain_middle(int depth);
NOINLINE void chain_outer(int depth);

NOINLINE void chain_inner(int depth)
{
    printf("ready %d\n", depth);
    fflush(stdout);
    for (;;)
        pause();
}

NOINLINE void chain_middle(int depth)
{
    volatile char buffer[200] = {0}; /* a frame that is not empty */
    chain_inner(depth + buffer[7]);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

NOINLINE void chain_outer(int depth)
{
    chain_middle(depth + 1);
    __asm__ volatile("" ::: "memory");
}
