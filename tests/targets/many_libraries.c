/*
 * many_libraries FILE...: one frame in each of the shared objects named, then asleep. Awkward: a
 * stack may lead through more files than a process may open.
 */
// BUILD: -ldl
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef void (*hop_function)(void **next);

static void sleep_on(void **unused)
{
    (void)unused;
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    void **hops = calloc((size_t)argc + 1, sizeof(*hops));
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        hops[i - 1] = library ? dlsym(library, "hop") : NULL;
        if (!hops[i - 1]) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
    }
    hops[argc - 1] = (void *)sleep_on;
    ((hop_function)hops[0])(hops + 1);
}
