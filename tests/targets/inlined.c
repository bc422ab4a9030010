// BUILD: -O2
/* Functions inlined into one another; the lines of the calls are marked for the test to find. */
#include <stdio.h>
#include <unistd.h>

#define INLINE static inline __attribute__((always_inline))

INLINE void inlined_inner(void)
{
    for (;;)
        pause(); /* line: inner */
}

INLINE void inlined_outer(int depth)
{
    printf("ready %d\n", depth);
    fflush(stdout);
    inlined_inner(); /* line: outer */
}

static __attribute__((noinline)) void physical(int depth)
{
    if (depth) {
        volatile char block[100] = {0};
        inlined_outer(depth + block[3]); /* line: physical */
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    physical(argc); /* line: main */
    return 0;
}
