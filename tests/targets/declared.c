// BUILD: -O2 -g3 tests/targets/parts/declared_other.c
/*
 * Variables, functions and types for a console to declare. What is awkward: names and tags that two
 * files have for different things, variables in functions and in thread-local storage, and what the
 * compiler did away with.
 */
#include "tests/targets/parts/declared_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define USED __attribute__((used))

struct item {
    int value;
    struct item *before, *after;
};

int other_sum(int x);

static struct item hidden = {7, &hidden, NULL};
USED struct item *list = &hidden;
USED struct everything everything = {.both = 1, .matrix = {{1, 2, 3}, {4, 5, 6}}};
USED struct inside inside;
USED struct bits bits = {.a = 5, .c = -1};
USED struct flexible *flexible;
USED struct zero_length zero_length;
USED struct by_typedef by_typedef;
USED struct packed_bits packed_bits[2];
USED struct aligned aligned_one;
_Thread_local int of_thread = 5;
static _Thread_local int static_of_thread = 6;
USED static const int constant_table[3] = {1, 2, 3};
static const int folded = 42;
static int written_only;
USED long numbers[] = {1, 2, 3};
USED const struct point origin = {0, 0};

static int NOINLINE helper(int x)
{
    return x + 100;
}
USED NOINLINE int takes_mixed(struct mixed m)
{
    return (int)m.integer;
}
USED NOINLINE struct mixed gives_mixed(void)
{
    return (struct mixed){1, 2};
}
USED NOINLINE double takes_point(struct point p, long double l)
{
    return p.x + (double)l;
}
USED NOINLINE __int128 takes_big(__int128 b)
{
    return b + 1;
}
USED struct hooks {
    int (*mixed)(struct mixed);
    double (*point)(struct point);
} hooks;
static NOINLINE int changed(int constant, int x)
{
    return constant * x + (int)getpid();
}
static inline int only_inlined(int x)
{
    return x * 3;
}
NOINLINE int count_calls(void)
{
    static int calls;
    return ++calls;
}
NOINLINE int count_others(void)
{
    static long calls = 100;
    return (int)++calls;
}
USED int old_style();
int old_style(x)
int x;
{
    return x;
}
USED NOINLINE int many(const char *format, ...)
{
    return format[0];
}

/* The same words at the same place as in the other file, for another struct item. */
#line 1000
struct holder {
    struct item *held;
};
#line 1
USED struct holder holder = {&hidden};

int main(int count, char **words)
{
    written_only = count;
    static_of_thread += count;
    long sum =
        helper(count) + other_sum(count) + changed(17, count) + changed(17, only_inlined(count));
    printf("%ld %d %d\n", sum, count_calls() + count_others(),
           folded + of_thread + static_of_thread);
    printf("ready %s\n", words[0]);
    fflush(stdout);
    for (;;)
        pause();
}
