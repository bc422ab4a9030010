/* Calls a null function pointer: the program counter says nothing, the word on top of the stack
   does. The handler of the fault waits. With an argument: calls a pointer into data instead. */
#include <signal.h>

#include "tests/targets/chain.h"

static void (*volatile target)(void);
static long data[2];

static void handler(int number)
{
    chain_outer(number);
}

static NOINLINE void calls_null(void)
{
    target();
    __asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
    (void)argv;
    signal(SIGSEGV, handler);
    if (argc > 1)
        target = (void (*)(void))data;
    calls_null();
    return 0;
}
