// BUILD: -O0
/* A thread that runs and has something on the heap, which may change after the thread was let go.
 */
#include <stdio.h>
#include <string.h>

static volatile long counter;

static void run_with(const char *on_heap, const char *constant)
{
    int on_stack = 5;
    while (on_stack && on_heap && constant)
        counter++;
}

int main(void)
{
    char *copy = strdup("from the heap");
    printf("ready\n");
    fflush(stdout);
    run_with(copy, "from the file");
    return 0;
}
