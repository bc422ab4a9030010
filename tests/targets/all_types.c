// BUILD: -O0 -Wno-unused -Wno-pedantic
/*
 * Variables of every kind of type that C has, with the values that are hard to print: extremes of
 * all integers, NaN and denormal numbers, enumerations with values that have no name, strings that
 * are no text, bit-fields across units of storage, pointers to everything. Nothing changes while
 * it waits, so that two debuggers must see the same.
 */
#include <complex.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>

/* Integers. */
char letter = 'A', control = '\n', quote = '\'', negative_char = -128;
signed char least_schar = SCHAR_MIN, most_schar = SCHAR_MAX;
unsigned char most_uchar = UCHAR_MAX, escape_char = 27;
short least_short = SHRT_MIN;
unsigned short most_ushort = USHRT_MAX;
int zero, answer = 42, least_int = INT_MIN;
unsigned most_uint = UINT_MAX;
long least_long = LONG_MIN, most_long = LONG_MAX;
unsigned long most_ulong = ULONG_MAX;
long long big_long_long = -1234567890123456789;
unsigned long long odd_ulong_long = 0xdeadbeefcafebabe;
bool yes = true, no;
wchar_t wide = L'w';
int8_t int8 = -8;
uint8_t uint8 = 200;
int64_t int64 = -64;
size_t size = 4096;
ptrdiff_t difference = -16;
__int128 huge = (__int128)1 << 100;
typedef int number;
typedef number count;
typedef const count fixed_count;
fixed_count chained = 77;
const int constant = 5;
volatile unsigned changing = 6;

/* Floating point. */
float third_f = 1.0f / 3, large_f = 3.4e38f, tiny_f = 1e-45f;
double third = 1.0 / 3, tenth = 0.1, large = 1e300, denormal = 5e-324, whole = 3, minus_zero = -0.0;
double infinite = __builtin_inf(), minus_infinite = -__builtin_inf(), no_number = __builtin_nan(""),
       minus_no_number = -__builtin_nan("7");
float no_number_f = __builtin_nanf("");
long double third_l = 1.0L / 3, huge_l = 1e4000L, precise_l = 0.1L, infinite_l = __builtin_infl();
_Complex double complex_number = 1.5 - 2.25 * I;

/* Enumerations. */
enum colour { RED, GREEN = 5, BLUE } colour = GREEN, no_colour = 3;
enum sign { BELOW = -1, EQUAL, ABOVE } below = BELOW, far_below = -7;
enum access {
    READ = 1,
    WRITE = 2,
    RUN = 4
} may_read = READ,
  may_both = READ | WRITE, may_more = READ | 8, may_nothing, may_other = 16;
enum { ANONYMOUS_ONE = 1, ANONYMOUS_TWO } anonymous_enum = ANONYMOUS_TWO;
typedef enum { FIRST, SECOND } typedefed_enum;
typedefed_enum second = SECOND;
enum mask { NONE = 0, LOW = 3, HIGH = 12 } low = LOW, low_high = LOW | HIGH, part_of_low = 1;

/* Strings and arrays. */
char text[16] = "text", full[4] = "full", empty[8], with_nul[8] = "ab\0cd";
char escapes[] = "tab\t quote\" back\\ bell\a esc\033 del\177", invalid[] = "ok \xff\xfe\x80 ok";
unsigned char bytes[6] = {0, 1, 2, 65, 66, 255};
signed char signed_bytes[4] = {-1, 0, 1, 65};
const char *string = "a string", *null_string, *wild_string = (char *)16;
char *strings[3] = {"one", NULL, "three"};
char lines[2][6] = {"first", "2nd"}, letters[300], mixed[40] = "xxxxxxxxxxxxxxxxxxxxxxxxyz";
int row[5] = {1, 2, 3, 4, 5}, matrix[2][3] = {{1, 2, 3}, {4, 5, 6}},
    cube[2][2][2] = {{{1, 2}, {3}}};
int same[30] = {[0 ... 29] = 7}, partly[20] = {1, 2, 2}, many[1000] = {[500] = 1};
double halves[3] = {0.5, 1.5, 2.5};
bool truths[3] = {true, false, true};
enum colour colours[3] = {RED, BLUE, 9};
short none[0];

/* Structures. */
struct point {
    int x, y;
} origin, point = {3, -4}, points[3] = {{1, 2}, {3, 4}, {5, 6}}, same_points[12];
struct nested {
    struct point from;
    struct {
        struct point to;
        char name[8];
    } inner;
    struct nested *self;
} nested = {{1, 2}, {{3, 4}, "name"}, &nested};
union either {
    int i;
    float f;
    unsigned char bytes[4];
    struct point *p;
} either = {.i = 0x40490fdb};
struct tagged {
    int kind;
    union {
        int whole;
        double real;
    };
    struct {
        short low, high;
    };
} tagged = {1, {.real = 2.5}, {-1, 1}};
struct bits {
    unsigned one : 1, three : 3;
    int minus : 5;
    unsigned long wide : 40;
    enum colour colour : 4;
    bool flag : 1;
    int : 0;
    signed next : 7;
    long long across : 50;
} bits = {1, 5, -9, 0xffffffffff, BLUE, true, -64, -562949953421312};
struct __attribute__((packed)) packed {
    char c;
    int i;
    short s;
    unsigned f : 13;
    double d;
} packed = {'p', -2, 3, 8191, 0.125};
struct aligned {
    char c;
    int i __attribute__((aligned(32)));
} aligned = {'a', 1};
struct flexible {
    int count;
    int items[];
} flexible = {3, {1, 2, 3}};
struct zero_length {
    int count;
    char items[0];
} zero_length = {9};
struct everything {
    char c;
    bool b;
    float f;
    double d;
    long double ld;
    wchar_t w;
    uint8_t u8;
    enum access access;
    const char *string;
    void *data;
    int (*function)(int, char *);
    struct incomplete *unknown;
    char text[8];
    _Complex float z;
    __int128 huge;
} everything;
struct link {
    int value;
    struct link *next;
} last = {3, NULL}, middle = {2, &last}, *first = &(struct link){1, &middle};
struct link loop_end, loop_start = {10, &loop_end}, loop_end = {11, &loop_start};
struct link broken = {20, (struct link *)24};
struct listed {
    char name[4];
    struct {
        struct listed *next;
    } links;
} listed_two = {"two", {NULL}}, listed_one = {"one", {&listed_two}};

/* Pointers. */
int *to_int = &answer, *to_row = &row[2], *no_int;
const volatile int *to_constant = &constant;
void *to_data = &points[1], *nowhere, *wild = (void *)0x10;
struct point *to_point = &points[1], **to_pointer = &to_point;
struct incomplete *to_incomplete = (struct incomplete *)&point;
int (*to_array)[3] = &matrix[1];
wchar_t wide_text[6] = L"w\u00efde", *to_wide = wide_text;

int twice(int x)
{
    return 2 * x;
}

double half(double x)
{
    static volatile int calls = 12;
    return x / 2 + 0 * calls;
}

struct point mirrored(struct point p)
{
    return (struct point){p.y, p.x};
}

const char *name_of(enum colour c)
{
    return c == RED ? "red" : "other";
}

static int choose(int x, char *text)
{
    static struct point kept = {8, 9};
    return x + text[0] + kept.x;
}

void nothing(void)
{
}

int (*to_function)(int) = twice, (*functions[2])(int) = {twice, NULL};
int (**to_function_pointer)(int) = functions;
void (*no_function)(void);
typedef double (*operation)(double);
operation operate = half;
static __thread int of_thread = 17;
static struct point hidden = {-1, -2};

int main(void)
{
    for (size_t i = 0; i < sizeof(letters) - 1; i++)
        letters[i] = (char)('a' + i % 26);
    everything =
        (struct everything){'e',  true,     0.25f,  0.1,  0.1L,       L'\u00e9', 255, READ | RUN,
                            "in", &point.y, choose, NULL, {'e', 'x'}, 1 + 2 * I, -5};
    of_thread += twice(0) + hidden.x + 1;
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
