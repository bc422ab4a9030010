// BUILD: -O0
/*
 * Variables of every kind of type, in threads that are blocked in different calls. What is awkward:
 * optimized, most are in registers, in pieces, only known from the place of the call, or nowhere;
 * the same file is built in several ways.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

enum colour { RED, GREEN, BLUE = 7 };
enum access { MAY_READ = 1, MAY_WRITE = 2, MAY_RUN = 4 };
enum sign { BELOW = -1, EQUAL, ABOVE };
struct point {
    int x;
    double y;
};
union number {
    int i;
    float f;
    unsigned char bytes[4];
};
typedef int (*callback)(int);
struct everything {
    char c;
    signed char sc;
    unsigned char uc;
    short s;
    unsigned long ul;
    bool yes, no;
    enum colour colour, no_colour;
    enum access access, odd_access, no_access;
    enum sign sign;
    unsigned three : 3;
    int five : 5;
    enum colour four : 4;
    bool one : 1;
    char name[24];
    unsigned char empty[8];
    const char *text, *null;
    struct point points[2];
    union number number;
    int matrix[2][3];
    struct everything *self;
    callback function;
    void *data, *wild;
    float f;
    double d;
    long double ld;
    __int128 big;
    struct {
        int p;
        union {
            int q;
            short r;
        };
    };
    _Atomic int atomic;
    const volatile long cv;
};
struct pair {
    long first, second;
};
struct node {
    struct node *next;
    int value;
};

int pipe_ends[2], global_table[10] = {1, 2, 3};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int of_this_thread = 5;
atomic_int waiting;
volatile long sink;

NOINLINE int twice(int x)
{
    return 2 * x;
}

static void fill(struct everything *e)
{
    const struct everything filled = {
        .c = 'x',
        .sc = -3,
        .uc = 200,
        .s = -1234,
        .ul = 1UL << 63,
        .yes = true,
        .colour = BLUE,
        .no_colour = 5,
        .access = MAY_READ | MAY_RUN,
        .odd_access = MAY_WRITE | 64,
        .sign = BELOW,
        .three = 5,
        .five = -7,
        .four = BLUE,
        .one = true,
        .name = "tab\t \"quoted\" \\ \033[31m",
        .text = "h\303\244llo\n\001",
        .points = {{1, 0.1}, {-2, 1e100}},
        .number = {.f = 1.5f},
        .matrix = {{1, 2, 3}, {4, 5, 6}},
        .function = twice,
        .data = &global_table[2],
        .wild = (void *)16,
        .f = 1.1f,
        .d = -2.5,
        .ld = 3.25L,
        .big = -((__int128)1 << 70),
        .p = 11,
        .q = 70000,
        .atomic = 12,
        .cv = 13,
    };
    memcpy(e, &filled, sizeof(filled));
    e->self = e;
}

NOINLINE long wait_in_read(int fd)
{
    char byte = 'b';
    waiting++;
    return read(fd, &byte, 1) + byte;
}

NOINLINE long wait_in_poll(int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};
    waiting++;
    return poll(fds, 2, -1) + fds[0].revents;
}

NOINLINE long wait_for_mutex(int unused)
{
    waiting++;
    pthread_mutex_lock(&mutex);
    return unused;
}

/* In memory: the address is known outside. */
NOINLINE long all_types(long (*wait)(int), int fd)
{
    struct everything e;
    int many[1000], zeros[300] = {0}, runs[30] = {[3] = 1, [20] = 2};
    const char *words[3] = {"one", "two", NULL};
    char long_text[300], exact[4] = {'a', 'b', 'c', 'd'};
    static int count = 3;
    static const struct point origin = {1, 2.5};
    struct node nodes[2] = {{&nodes[1], 1}, {NULL, 2}};
    fill(&e);
    for (int i = 0; i < 1000; i++)
        many[i] = i * i;
    for (size_t i = 0; i < sizeof(long_text); i++)
        long_text[i] = (char)('a' + i % 26);
    {
        int in_a_block = 17 + fd;
        long result = wait(fd) + in_a_block + e.s + many[3] + zeros[2] + runs[1] + exact[1];
        sink = (long)&e + (long)many + (long)zeros + (long)runs + (long)words + (long)long_text +
               (long)nodes + (long)exact + of_this_thread;
        return result + count + (long)origin.x;
    }
}

/* How many elements there are only the running program knows. */
NOINLINE long with_variable_length(long (*wait)(int), int fd, int n)
{
    int array[n];
    short table[n][2];
    for (int i = 0; i < n; i++) {
        array[i] = i + 100;
        table[i][0] = table[i][1] = (short)-i;
    }
    long result = wait(fd);
    sink = (long)array + (long)table;
    return result + array[n - 1];
}

static inline __attribute__((always_inline)) long inlined(long (*wait)(int), int fd, int constant)
{
    long of_inlined = fd + constant;
    struct pair split = {of_inlined * 3, fd};
    of_inlined += wait(fd);
    return of_inlined + split.first + constant;
}

/* Only the first is used after the call. */
NOINLINE long in_registers(long (*wait)(int), int fd, long kept, long lost, struct pair by_value)
{
    long computed = kept * 5 + lost, dead = lost * 7;
    sink = dead;
    struct pair pieces = {kept + 1, by_value.second};
    unsigned char small = (unsigned char)kept;
    long result = inlined(wait, fd, 42);
    pieces.first += result;
    return pieces.first + pieces.second + computed + kept + small;
}

NOINLINE long passes_values(long (*wait)(int), int fd, long seed)
{
    const long answer = 42;
    long from_seed = seed * 2;
    long result = in_registers(wait, fd, from_seed, 99, (struct pair){seed, -1});
    return result + from_seed + answer;
}

static void *reader(void *argument)
{
    return (void *)(all_types(wait_in_read, *(int *)argument) + 1);
}

static void *poller(void *argument)
{
    return (void *)(passes_values(wait_in_poll, *(int *)argument, 1000) + 1);
}

static void *locker(void *argument)
{
    return (void *)(with_variable_length(wait_for_mutex, *(int *)argument, 5) + 1);
}

int main(void)
{
    pthread_t threads[3];
    void *(*const bodies[])(void *) = {reader, poller, locker};
    if (pipe(pipe_ends))
        return 1;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, bodies[i], pipe_ends);
    while (waiting < 3)
        usleep(1000);
    printf("ready\n");
    fflush(stdout);
    return (int)passes_values(wait_in_read, pipe_ends[0], 2000);
}
