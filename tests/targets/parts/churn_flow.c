/*
 * Part of churn.c: restartable sequences (rseq(2)), coroutines and signals with values. A sequence
 * that is broken off without being restarted, or that goes on elsewhere than it began, makes the
 * sum of the counters wrong.
 */
#include "tests/targets/parts/churn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Restartable sequences: a counter for each processor. --- */

#define SIGNATURE 0x53053053 /* RSEQ_SIG of glibc's <sys/rseq.h> for x86 */
#define PROCESSORS 1024

/* Linux 4.18, include/uapi/linux/rseq.h. */
struct sequence_area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t sequence;
    uint32_t flags, rest[3];
} __attribute__((aligned(32)));

/* glibc 2.35 and later has registered one for each thread; elsewhere we do. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
static _Thread_local struct sequence_area own_area;
static _Thread_local bool registered;

static struct {
    long value;
    char rest[56];
} counters[PROCESSORS];
static atomic_long committed;
static bool unavailable;

static struct sequence_area *sequence_area(void)
{
    if (&__rseq_size && __rseq_size)
        return (struct sequence_area *)((char *)__builtin_thread_pointer() + __rseq_offset);
    if (!registered && syscall(SYS_rseq, &own_area, sizeof(own_area), 0, SIGNATURE))
        unavailable = true;
    registered = true;
    return &own_area;
}

/* Adds one to this processor's counter, slowly; false when it was broken off before. */
static bool count_one(struct sequence_area *area)
{
    __asm__ goto(".pushsection .data.sequences, \"aw\"\n"
                 ".balign 32\n"
                 "3: .long 0, 0\n"
                 ".quad 1f, 2f - 1f, 4f\n"
                 ".popsection\n"
                 "leaq 3b(%%rip), %%rax\n"
                 "movq %%rax, %[sequence]\n"
                 "1: movl %[cpu], %%eax\n"
                 "shlq $6, %%rax\n"
                 "addq %[counters], %%rax\n"
                 "movq (%%rax), %%rcx\n"
                 "movl $200, %%edx\n"
                 "5: decl %%edx\n"
                 "jnz 5b\n"
                 "incq %%rcx\n"
                 "movq %%rcx, (%%rax)\n"
                 "2:\n"
                 ".pushsection .text.sequences, \"ax\"\n"
                 ".byte 0x0f, 0xb9, 0x3d\n"
                 ".long %c[signature]\n"
                 "4: jmp %l[broken_off]\n"
                 ".popsection\n"
                 :
                 : [sequence] "m"(area->sequence), [cpu] "m"(area->cpu_id),
                   [counters] "r"(counters), [signature] "i"(SIGNATURE)
                 : "rax", "rcx", "rdx", "memory", "cc"
                 : broken_off);
    return true;
broken_off:
    return false;
}

void churn_sequences(void)
{
    struct sequence_area *area = sequence_area();
    if (unavailable)
        return;
    for (int i = 0; i < 1000; i++) {
        while (!count_one(area))
            ;
        committed++;
    }
    if (errno != PRECIOUS)
        churn_bad("errno of restartable sequences", errno);
}

bool churn_sequences_are_right(void)
{
    long sum = 0;
    for (int i = 0; i < PROCESSORS; i++)
        sum += counters[i].value;
    return sum == committed;
}

/* --- Coroutines: musl has none. --- */

#ifdef __GLIBC__
#include <ucontext.h>

#define STACK_SIZE (256 * 1024)

static _Thread_local ucontext_t caller, coroutine;
static _Thread_local char *other_stack;

static void run(void)
{
    for (volatile int round = 0;; round++) {
        char here;
        if ((size_t)(&here - other_stack) >= STACK_SIZE)
            churn_bad("stack of a coroutine", round);
        churn_memory();
        errno = PRECIOUS;
        churn_nap();
        swapcontext(&coroutine, &caller);
    }
}

void churn_coroutines(void)
{
    if (!other_stack) {
        other_stack =
            mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        getcontext(&coroutine);
        coroutine.uc_stack.ss_sp = other_stack;
        coroutine.uc_stack.ss_size = STACK_SIZE;
        makecontext(&coroutine, run, 0);
    }
    swapcontext(&caller, &coroutine);
}
#else
void churn_coroutines(void)
{
}
#endif

/* --- Signals that carry a value: none may be lost, none come twice. --- */

atomic_ullong mailed[WORKERS];

void churn_mail(void)
{
    for (int i = 0; i < 20; i++) {
        unsigned to = churn_random(WORKERS);
        int value = (int)churn_random(1000);
        siginfo_t info = {.si_signo = mail_signal, .si_code = SI_QUEUE};
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = value;
        if (!syscall(SYS_rt_tgsigqueueinfo, getpid(), workers[to].tid, mail_signal, &info))
            mailed[to] += (unsigned)value;
        else if (errno != EAGAIN) /* the queue is full */
            churn_bad("sigqueue", errno);
    }
}
