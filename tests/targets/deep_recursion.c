/* deep_recursion DEPTH: that many frames of one function below main. */
#include <stdlib.h>

#include "tests/targets/chain.h"

static volatile int enough;

static NOINLINE int recurse(int depth)
{
    if (depth <= 0)
        chain_outer(0);
    if (enough)
        return 0;
    return recurse(depth - 1) + 1;
}

int main(int argc, char **argv)
{
    return recurse(argc > 1 ? atoi(argv[1]) - 1 : 999);
}
