// BUILD: -O2 -flto
/*
 * Calls getpid, and is built with link time optimisation. Awkward: its debug information has the
 * function of the C library a second time, without a word that it is only declared.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (;;)
        pause();
}
