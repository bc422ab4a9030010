/* Static names, of which no dynamic symbol table knows, and one that two files use. */
// BUILD: tests/targets/parts/static_names_other.c
#include <stdio.h>
#include <unistd.h>

static long hidden_value = 2;

static int __attribute__((noinline, used)) repeated(void)
{
    return 1;
}

static long __attribute__((noinline, used)) hidden_sum(long a, long b)
{
    return a + b + hidden_value - 2;
}

int main(void)
{
    hidden_value += hidden_sum(repeated(), -1);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
