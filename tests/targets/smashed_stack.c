/* Overwrites the return address of one of its frames, as a buffer overflow does, and waits. */
#include <string.h>

#include "tests/targets/chain.h"

static NOINLINE void victim(void)
{
    /* The canonical frame address: the return address lies right below it. */
    char *cfa = __builtin_dwarf_cfa();
    memset(cfa - sizeof(void *), 'A', sizeof(void *));
    chain_outer(0);
    __asm__ volatile("" ::: "memory");
}

int main(void)
{
    victim();
    return 0;
}
