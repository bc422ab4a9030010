/* Types that are hard to declare again from what the debug information says of them. */
#ifndef DECLARED_TYPES_H
#define DECLARED_TYPES_H

enum colour { RED, GREEN, BLUE = 7 };
enum __attribute__((packed)) small { SMALL_A, SMALL_B = 200 };
enum __attribute__((packed)) medium { MEDIUM_A = -300, MEDIUM_B };
enum large { LARGE_A = 1, LARGE_B = 0x100000000 };
enum sign { BELOW = -1, ABOVE = 1 };

struct bits {
    unsigned a : 3;
    int b : 5;
    unsigned : 0;
    long c : 33;
    enum colour d : 4;
    _Bool e : 1;
    unsigned char f : 7;
    short g : 9;
    unsigned : 5;
    int h : 20;
    char plain;
    unsigned i : 1;
    unsigned : 11;
    unsigned j : 2;
};
struct __attribute__((packed)) packed {
    char c;
    int i;
    short s : 3;
    unsigned t : 13;
    long l;
    double d;
};
struct __attribute__((packed)) packed_bits {
    unsigned a : 7;
    unsigned b : 30;
    unsigned long c : 50;
    char d;
};
struct aligned {
    char c;
    _Alignas(32) int i;
    char d;
};
struct over {
    char c;
} __attribute__((aligned(64)));
struct __attribute__((packed, aligned(4))) packed_aligned {
    char c;
    struct over *o;
    long l;
};
typedef int __attribute__((aligned(1))) unaligned_int;
typedef long __attribute__((aligned(16))) aligned_long;
struct by_typedef {
    char c;
    unaligned_int i;
    char d;
    aligned_long l;
};
struct flexible {
    int count;
    struct bits items[];
};
struct zero_length {
    int count;
    int items[0];
};
struct inside {
    struct packed p;
    char c;
    struct over o;
    struct packed_aligned q;
};
struct everything {
    union {
        struct {
            short x, y;
        };
        int both;
        struct {
            unsigned low : 12, high : 20;
        };
    };
    struct {
        int named;
    } member;
    enum colour colour;
    enum small small;
    enum medium medium;
    enum large large;
    enum sign sign;
    int matrix[2][3];
    int (*to_matrix)[2][3];
    const char *const names[2];
    int (*function)(int, const char *, ...);
    int (*(*functions[3])(void))[4];
    void (*no_prototype)();
    struct everything *self, **selves;
    struct elsewhere *never_defined;
    __int128 big;
    _Complex double complex_double;
    _Complex float complex_float;
    float vector __attribute__((vector_size(16)));
    _Float128 quad;
    long double long_double;
    _Atomic int atomic;
    const volatile long both_qualifiers;
    unsigned char raw[3];
    char end;
};
struct mixed {
    long integer;
    double floating;
};
struct point {
    double x, y;
};

#endif
