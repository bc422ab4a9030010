/* A signal handler that waits on its own stack: the frames lead over the signal to another stack.
 */
#include <signal.h>
#include <stdlib.h>

#include "tests/targets/chain.h"

static void handler(int number)
{
    chain_outer(number);
}

static NOINLINE void interrupted(void)
{
    raise(SIGUSR1);
    __asm__ volatile("" ::: "memory");
}

int main(void)
{
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    interrupted();
    return 0;
}
