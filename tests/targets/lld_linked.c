// BUILD: -fuse-ld=lld
/*
 * Linked by lld, whose segments do not begin at page boundaries of the file: whoever finds a module
 * by file offsets goes wrong here.
 */
#include <stdio.h>
#include <unistd.h>

static int __attribute__((noinline)) inner(int n)
{
    return pause() + n;
}

static int __attribute__((noinline)) outer(int n)
{
    return inner(n + 1) * 2;
}

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    return outer(1);
}
