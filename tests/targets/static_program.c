// BUILD: -static
/* No dynamic loader, no shared library: nothing can be loaded into it, but its stack is there. */
#include <stdio.h>
#include <unistd.h>

static void __attribute__((noinline)) wait_here(void)
{
    for (;;)
        pause();
}

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    wait_here();
}
