// BUILD: -g3 -O1 tests/targets/parts/compiled_other.c
/*
 * A program that C is compiled for in every way that the console has. Awkward: a typedef and a
 * function that look alike in "(name)(x)", a thread-local variable in two threads, variables that
 * change together all the time, and macros that hide writes, calls and one another.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef long number;

struct pair {
    long whole;
    double part;
};

struct item {
    int id;
    struct item *next;
};

#define LIMIT (BASE + 2)
#define BASE 40
#define TWICE(x) ((x)*2)
#define SET_CALLS (calls = 99)
#define READ_CALLS calls
#define CALL_TICK tick(1)
#define ARGUMENT (1)
#define ID_OF(item) ((item)->next->id)
#define STORE(x) (calls = (x))
#define APPLY(f, x) f(x)
#define SIDE(a, b) a b
#define PASTE(a, b) a##b
#define GONE 1
#undef GONE
#define STEP 3 /* another one in the other file */

static struct item last = {2, NULL};
struct item *head = &(struct item){1, &last};
volatile int calls, values[4] = {1, 2, 3, 4};
volatile unsigned long first, sweep[4096]; /* each step goes through all of it */
number total = 1;
struct pair half = {4, 0.5};
long double wide = 1.25L;
static __thread volatile int of_thread = 5;
volatile pid_t worker;

__attribute__((noinline)) int tick(int n)
{
    return calls += n;
}

__attribute__((noinline)) struct pair halve(struct pair pair)
{
    return (struct pair){pair.whole / 2, pair.part / 2};
}

static void *work(void *argument)
{
    of_thread = 77;
    worker = gettid();
    for (;;) {
        first++;
        for (int i = 0; i < 4096; i++)
            sweep[i]++;
    }
    return argument;
}

int main(void)
{
    pthread_t thread;
    of_thread = 33;
    tick((int)halve((struct pair){0, 0}).part);
    pthread_create(&thread, NULL, work, NULL);
    while (!worker)
        usleep(1000);
    printf("ready %d %d %d\n", LIMIT, TWICE(of_thread), READ_CALLS);
    fflush(stdout);
    if (ARGUMENT == 2)
        printf("%d", SET_CALLS + CALL_TICK);
    pthread_join(thread, NULL);
    return 0;
}
