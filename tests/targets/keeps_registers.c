// BUILD: -mavx2
/*
 * One thread that never sleeps and checks, all the time, that every register, the flags, the red
 * zone, the vector registers and the rounding modes are as it left them. Awkward: what is borrowed
 * here is a thread in the middle of its own code, with the direction flag set and unusual rounding.
 * Prints "bad WHAT" for what changed, and "rounds N" as it goes on.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* rdi points here while the registers hold `seed`; offsets are used in the assembly. */
static struct {
    uint64_t seed;          /* 0 */
    uint8_t vector[32];     /* 8 */
    uint64_t general[16];   /* 40: 14 registers, 2 words of the red zone */
    uint8_t vectors[3][32]; /* 168 */
    uint64_t flags;         /* 264 */
} state;

static void work(void)
{
    void *pointer = &state;
    __asm__ volatile(
        "sub $128, %%rsp; push %%rbp; push %%rbx;"
        "mov (%%rdi), %%rax; vmovdqu 8(%%rdi), %%ymm0; vmovdqa %%ymm0, %%ymm7;"
        "vmovdqa %%ymm0, %%ymm15; movq %%rdi, %%xmm14;"
        "mov %%rax, %%rbx; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi; mov %%rax, %%rbp;"
        "mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11; mov %%rax, %%r12;"
        "mov %%rax, %%r13; mov %%rax, %%r14; mov %%rax, %%r15;"
        "mov %%rax, -8(%%rsp); mov %%rax, -120(%%rsp); std; stc;"
        "mov $20000, %%edi;"
        "1: lea -1(%%rdi), %%rdi; mov %%rdi, %%rcx; jrcxz 2f; jmp 1b;"
        "2: mov %%rax, %%rcx; movq %%xmm14, %%rdi;"
        "mov %%rax, 40(%%rdi); mov %%rbx, 48(%%rdi); mov %%rcx, 56(%%rdi); mov %%rdx, 64(%%rdi);"
        "mov %%rsi, 72(%%rdi); mov %%rbp, 80(%%rdi); mov %%r8, 88(%%rdi); mov %%r9, 96(%%rdi);"
        "mov %%r10, 104(%%rdi); mov %%r11, 112(%%rdi); mov %%r12, 120(%%rdi);"
        "mov %%r13, 128(%%rdi); mov %%r14, 136(%%rdi); mov %%r15, 144(%%rdi);"
        "mov -8(%%rsp), %%rax; mov %%rax, 152(%%rdi); mov -120(%%rsp), %%rax;"
        "mov %%rax, 160(%%rdi); vmovdqu %%ymm0, 168(%%rdi); vmovdqu %%ymm7, 200(%%rdi);"
        "vmovdqu %%ymm15, 232(%%rdi); pushf; pop %%rax; mov %%rax, 264(%%rdi); cld;"
        "pop %%rbx; pop %%rbp; add $128, %%rsp"
        : "+D"(pointer)
        :
        : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc", "xmm0", "xmm7", "xmm14", "xmm15");
}

static void report(int bad, const char *what)
{
    if (bad) {
        printf("bad %s\n", what);
        fflush(stdout);
    }
}

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    for (uint64_t round = 0;; round++) {
        state.seed = round * 0x9e3779b97f4a7c15 | 1;
        for (int i = 0; i < 32; i++)
            state.vector[i] = (uint8_t)(state.seed >> (i % 8 * 8) ^ (uint64_t)i);
        unsigned rounding = 0x1f80 | (unsigned)(round & 3) << 13, rounding_after;
        unsigned short control = (unsigned short)(0x37f | (round & 3) << 10), control_after;
        __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(rounding), "m"(control));
        work();
        __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(rounding_after), "=m"(control_after));

        for (int i = 0; i < 16; i++)
            report(state.general[i] != state.seed, i < 14 ? "general register" : "red zone");
        for (int i = 0; i < 3; i++)
            report(memcmp(state.vectors[i], state.vector, 32), "vector register");
        report((state.flags & 0x401) != 0x401, "flags");
        report((rounding_after & 0xffc0) != (rounding & 0xffc0), "mxcsr");
        report(control_after != control, "x87 control word");
        if (round % 4096 == 0) {
            printf("rounds %lu\n", (unsigned long)round);
            fflush(stdout);
        }
    }
}
