/* Waits on a stack of its own making, as coroutines do; main's stack is another one. */
#include <stdlib.h>
#include <ucontext.h>

#include "tests/targets/chain.h"

static void body(void)
{
    chain_outer(0);
}

int main(void)
{
    ucontext_t own, other;
    getcontext(&other);
    other.uc_stack.ss_size = 262144;
    other.uc_stack.ss_sp = malloc(other.uc_stack.ss_size);
    other.uc_link = &own;
    makecontext(&other, body, 0);
    swapcontext(&own, &other);
    return 0;
}
