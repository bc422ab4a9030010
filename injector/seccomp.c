#include "injector/seccomp.h"

#include "injector/arch/loan.h"
#include "injector/cleanup.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define FILTERS_MAX 256
#define STEPS_MAX BPF_MAXINSNS /* jumps only lead forward */

/* Newer than some headers; include/uapi/linux/ptrace.h. */
#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

#define THREAD_FLAGS                                                                    \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* What the stub, the C library's thread start and dlopen, and the payload call. */
static const struct {
    long number;
    bool must_work; /* the stub relies on it: an error result would leave the thread astray */
    uint64_t arguments[6];
} calls[] = {
    {SYS_rt_sigprocmask, true, {SIG_SETMASK}},
    {SYS_munmap, true, {0, 4096}},
    {SYS_mmap, true, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}},
    {SYS_mmap, false, {0, 4096, PROT_READ, MAP_PRIVATE}},
    {SYS_mmap, false, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED}},
    {SYS_mprotect, false, {0, 4096, PROT_READ}},
    {SYS_sched_yield, false, {0}},
    {SYS_times, false, {0}},
    {SYS_rt_sigpending, false, {0}},
    {SYS_rt_sigaction, false, {0}},
    {SYS_restart_syscall, false, {0}},
    {SYS_clone, false, {THREAD_FLAGS}},
#ifdef SYS_clone3
    {SYS_clone3, false, {0}},
#endif
#ifdef SYS_rseq
    {SYS_rseq, false, {0}},
#endif
    {SYS_set_robust_list, false, {0}},
    {SYS_futex, false, {0}},
    {SYS_gettid, false, {0}},
    {SYS_getpid, false, {0}},
    {SYS_nanosleep, false, {0}},
    {SYS_memfd_create, false, {0}},
    {SYS_fcntl, false, {0}},
    {SYS_openat, false, {0}},
#ifdef SYS_open
    {SYS_open, false, {0}},
#endif
    {SYS_read, false, {0}},
    {SYS_pread64, false, {0}},
    {SYS_fstat, false, {0}},
    {SYS_newfstatat, false, {0}},
    {SYS_close, false, {0}},
    {SYS_brk, false, {0}},
    {SYS_madvise, false, {0}},
    {SYS_exit, false, {0}},
    {SYS_socket, false, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}},
    {SYS_bind, false, {0}},
    {SYS_listen, false, {0}},
    {SYS_accept4, false, {0}},
    {SYS_ppoll, false, {0}},
    {SYS_getsockopt, false, {0}},
    {SYS_recvfrom, false, {0}},
    {SYS_recvmsg, false, {0}},
    {SYS_sendto, false, {0}},
    {SYS_sendmsg, false, {0}},
    {SYS_write, false, {0}},
    {SYS_prctl, false, {0}},
    {SYS_tgkill, false, {0}},
};

bool seccomp_is_filtered(const struct process *process, pid_t tid)
{
    char mode[16];
    return process_status_field(process, tid, "Seccomp", mode, sizeof(mode)) && mode[0] != '0';
}

/* --- The classic BPF machine, as far as seccomp allows it (kernel/seccomp.c, seccomp_check_filter;
   net/core/filter.c, bpf_check_classic). --- */

struct machine {
    uint32_t a, x, memory[BPF_MEMWORDS];
};

static uint32_t load_word(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word = 0;
    if (offset <= sizeof(*data) - sizeof(word))
        memcpy(&word, (const uint8_t *)data + offset, sizeof(word));
    return word;
}

static uint32_t compute(uint16_t code, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_ADD:
        return a + operand;
    case BPF_SUB:
        return a - operand;
    case BPF_MUL:
        return a * operand;
    case BPF_DIV:
        return operand ? a / operand : 0;
    case BPF_AND:
        return a & operand;
    case BPF_OR:
        return a | operand;
    case BPF_XOR:
        return a ^ operand;
    case BPF_LSH:
        return a << (operand & 31);
    case BPF_RSH:
        return a >> (operand & 31);
    default:
        return -a; /* BPF_NEG */
    }
}

static bool compare(uint16_t code, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    default:
        return a & operand; /* BPF_JSET */
    }
}

/* A load into A or X; false: none that seccomp allows. */
static bool load(struct machine *machine, const struct sock_filter *instruction,
                 const struct seccomp_data *data, uint32_t *ret)
{
    switch (BPF_MODE(instruction->code)) {
    case BPF_ABS:
        *ret = load_word(data, instruction->k);
        return true;
    case BPF_IMM:
        *ret = instruction->k;
        return true;
    case BPF_LEN:
        *ret = sizeof(*data);
        return true;
    case BPF_MEM:
        *ret = machine->memory[instruction->k % BPF_MEMWORDS];
        return true;
    default:
        return false;
    }
}

/* What one filter answers; SECCOMP_RET_KILL_PROCESS for a program that we do not understand. */
static uint32_t run(const struct sock_filter *program, size_t length,
                    const struct seccomp_data *data)
{
    struct machine machine = {0};
    for (size_t pc = 0, steps = 0; pc < length && steps < STEPS_MAX; pc++, steps++) {
        const struct sock_filter *instruction = &program[pc];
        uint16_t code = instruction->code;
        uint32_t operand = BPF_SRC(code) == BPF_X ? machine.x : instruction->k;
        switch (BPF_CLASS(code)) {
        case BPF_LD:
            if (!load(&machine, instruction, data, &machine.a))
                return SECCOMP_RET_KILL_PROCESS;
            break;
        case BPF_LDX:
            if (!load(&machine, instruction, data, &machine.x))
                return SECCOMP_RET_KILL_PROCESS;
            break;
        case BPF_ST:
            machine.memory[instruction->k % BPF_MEMWORDS] = machine.a;
            break;
        case BPF_STX:
            machine.memory[instruction->k % BPF_MEMWORDS] = machine.x;
            break;
        case BPF_ALU:
            machine.a = compute(code, machine.a, operand);
            break;
        case BPF_JMP:
            if (BPF_OP(code) == BPF_JA)
                pc += instruction->k;
            else
                pc += compare(code, machine.a, operand) ? instruction->jt : instruction->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(code) == BPF_A ? machine.a : instruction->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

/* --- The question. --- */

static const char *judge_answer(uint32_t answer, bool must_work)
{
    switch (answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
        return "under a seccomp filter that would kill the process for the calls of a loan";
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return NULL;
    default: /* an error result, or somebody else decides */
        return must_work ? "under a seccomp filter that refuses the calls of a loan" : NULL;
    }
}

static const char *judge_filter(const struct sock_filter *program, size_t length)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct seccomp_data data = {
            .nr = (int)calls[i].number,
            .arch = arch_audit,
        };
        for (size_t n = 0; n < 6; n++)
            data.args[n] = calls[i].arguments[n];
        const char *obstacle = judge_answer(run(program, length, &data), calls[i].must_work);
        if (obstacle)
            return obstacle;
    }
    return NULL;
}

const char *seccomp_obstacle(pid_t tid)
{
    static const char unreadable[] = "under a seccomp filter that cannot be read (CAP_SYS_ADMIN is "
                                     "needed)";
    for (long index = 0; index < FILTERS_MAX; index++) {
        long length = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, NULL);
        if (length < 0)
            return index ? NULL : unreadable; /* ENOENT: there are no more */
        CLEANUP_FREE struct sock_filter *program = calloc((size_t)length + 1, sizeof(*program));
        if (!program || ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, program) != length)
            return unreadable;
        const char *obstacle = judge_filter(program, (size_t)length);
        if (obstacle)
            return obstacle;
    }
    return unreadable;
}
