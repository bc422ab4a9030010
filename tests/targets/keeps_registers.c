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

/* %rdi points here while the registers hold `seed`; offsets are used in the assembly. */
static struct {
    uint64_t seed;          /* 0 */
    uint8_t vector[32];     /* 8 */
    uint64_t general[16];   /* 40: 14 registers, 2 words of the red zone */
    uint8_t vectors[3][32]; /* 168 */
    uint64_t flags;         /* 264 */
    uint64_t saved[6];      /* 272: what the caller wants back */
    uint64_t stack[8];      /* 320: for the flags */
} state;

/* In assembly, so that the stack pointer does not move: the unwind tables are true at every
   instruction, and the bytes below it are in use. */
void work(void *state);
__asm__("    .text\n"
        "work: .cfi_startproc\n"
        "    mov %rbx, 272(%rdi); mov %rbp, 280(%rdi); mov %r12, 288(%rdi)\n"
        "    mov %r13, 296(%rdi); mov %r14, 304(%rdi); mov %r15, 312(%rdi)\n"
        "    mov (%rdi), %rax; vmovdqu 8(%rdi), %ymm0; vmovdqa %ymm0, %ymm7\n"
        "    vmovdqa %ymm0, %ymm15; movq %rdi, %xmm14\n"
        "    mov %rax, %rbx; mov %rax, %rdx; mov %rax, %rsi; mov %rax, %rbp; mov %rax, %r8\n"
        "    mov %rax, %r9; mov %rax, %r10; mov %rax, %r11; mov %rax, %r12; mov %rax, %r13\n"
        "    mov %rax, %r14; mov %rax, %r15; mov %rax, -8(%rsp); mov %rax, -120(%rsp)\n"
        "    std; stc; mov $20000, %edi\n"
        "1:  lea -1(%rdi), %rdi; mov %rdi, %rcx; jrcxz 2f; jmp 1b\n"
        "2:  mov %rax, %rcx; movq %xmm14, %rdi\n"
        "    mov %rax, 40(%rdi); mov %rbx, 48(%rdi); mov %rcx, 56(%rdi); mov %rdx, 64(%rdi)\n"
        "    mov %rsi, 72(%rdi); mov %rbp, 80(%rdi); mov %r8, 88(%rdi); mov %r9, 96(%rdi)\n"
        "    mov %r10, 104(%rdi); mov %r11, 112(%rdi); mov %r12, 120(%rdi)\n"
        "    mov %r13, 128(%rdi); mov %r14, 136(%rdi); mov %r15, 144(%rdi)\n"
        "    mov -8(%rsp), %rax; mov %rax, 152(%rdi); mov -120(%rsp), %rax\n"
        "    mov %rax, 160(%rdi); vmovdqu %ymm0, 168(%rdi); vmovdqu %ymm7, 200(%rdi)\n"
        "    vmovdqu %ymm15, 232(%rdi)\n"
        "    mov %rsp, %rdx; lea 384(%rdi), %rsp; pushf; pop 264(%rdi); mov %rdx, %rsp; cld\n"
        "    mov 272(%rdi), %rbx; mov 280(%rdi), %rbp; mov 288(%rdi), %r12\n"
        "    mov 296(%rdi), %r13; mov 304(%rdi), %r14; mov 312(%rdi), %r15\n"
        "    vzeroupper; ret\n"
        "    .cfi_endproc\n"
        "    .type work, @function\n"
        "    .size work, . - work\n");

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
        work(&state);
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
