// BUILD: -g -O1
/*
 * A program whose state is looked at and changed by C typed into it. Awkward: static functions and
 * variables, bit-fields, a list, a thread-local variable, an indirect call, and a thread that works
 * on it all the time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum colour { RED, GREEN = 5, BLUE };

struct item {
    int id;
    char name[16];
    enum colour colour;
    unsigned flags : 3, more : 5;
    double weight;
    struct item *next;
    int (*change)(int);
};

static struct item third = {3, "three", BLUE, 1, 2, 3.5, NULL, NULL};
struct item second = {2, "two", GREEN, 7, 31, 2.25, &third, NULL};
struct item *head = &second;
volatile int rounds, limit = 10;
static volatile double ratio = 0.5;
const char *motto = "hello \"world\"";
int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
static __thread int per_thread = 42;
long double precise = 1.25L;

__attribute__((noinline)) static int twice(int x)
{
    return 2 * x;
}

__attribute__((noinline)) int add_up(int a, int b)
{
    return a + b;
}

static void *work(void *argument)
{
    char *buffer = malloc(64);
    for (;;) {
        snprintf(buffer, 64, "round %d", rounds);
        rounds += (int)strlen(buffer) > 0;
        usleep(1000);
    }
    return argument;
}

int main(void)
{
    pthread_t thread;
    second.change = twice;
    per_thread += add_up(0, (int)ratio);
    pthread_create(&thread, NULL, work, NULL);
    puts("ready");
    fflush(stdout);
    pthread_join(thread, NULL);
    return 0;
}
