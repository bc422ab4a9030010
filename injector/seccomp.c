#include "injector/seccomp.h"

#include "injector/arch/loan.h"
#include "injector/cleanup.h"
#include "injector/tracee.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* What the stub, the C library's thread start, malloc and dlopen, and the payload call. What the
   user's own code calls is the user's affair. */
static const struct {
    long number;
    /* An error result would lead the stub's thread astray, make a thread of ours spin, leave
       something behind, or a manhole that answers nobody. Of others it is told and undone. */
    bool must_work;
    uint64_t arguments[6];
} calls[] = {
    {SYS_rt_sigprocmask, true, {SIG_SETMASK}},
    {SYS_munmap, true, {0, 4096}},
    {SYS_mmap, true, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS}},
    {SYS_mmap, false, {0, 4096, PROT_READ, MAP_PRIVATE}},
    {SYS_mmap, false, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED}},
    {SYS_mremap, false, {0, 4096, 8192, MREMAP_MAYMOVE}},
    {SYS_mprotect, false, {0, 4096, PROT_READ}},
    {SYS_mprotect, false, {0, 4096, PROT_READ | PROT_EXEC}},
    {SYS_madvise, false, {0}},
    {SYS_brk, false, {0}},
    /* Threads. */
    {SYS_clone, false, {THREAD_FLAGS}},
#ifdef SYS_clone3
    {SYS_clone3, false, {0}},
#endif
#ifdef SYS_rseq
    {SYS_rseq, false, {0}},
#endif
    {SYS_set_robust_list, false, {0}},
    {SYS_gettid, true, {0}},
    {SYS_getpid, true, {0}},
    {SYS_tgkill, false, {0}},
    {SYS_prctl, false, {PR_SET_NAME}},
    {SYS_sched_getscheduler, false, {0}},
    {SYS_sched_setscheduler, false, {0}},
    {SYS_sched_getaffinity, false, {0}},
    {SYS_sched_setaffinity, false, {0}},
    {SYS_sched_yield, false, {0}},
    {SYS_exit, true, {0}},
    /* Waiting, and the time. */
    {SYS_futex, true, {0}},
    {SYS_nanosleep, true, {0}},
    {SYS_ppoll, true, {0}},
    {SYS_times, false, {0}},
    {SYS_clock_gettime, false, {0}},
    {SYS_restart_syscall, false, {0}},
    /* Signals. */
    {SYS_rt_sigaction, false, {0}},
    {SYS_rt_sigpending, false, {0}},
    {SYS_rt_sigreturn, true, {0}},
    {SYS_rt_sigtimedwait, false, {0}},
    {SYS_rt_tgsigqueueinfo, false, {0}},
    {SYS_sigaltstack, false, {0}},
    /* Files. */
    {SYS_memfd_create, false, {0}},
    {SYS_openat, false, {0}},
#ifdef SYS_open
    {SYS_open, false, {0}},
#endif
    {SYS_close, true, {0}},
    {SYS_read, true, {0}},
    {SYS_write, true, {0}},
    {SYS_pread64, false, {0}},
    {SYS_pwrite64, false, {0}},
    {SYS_lseek, false, {0}},
    {SYS_ftruncate, false, {0}},
    {SYS_fstat, true, {0}},
    {SYS_newfstatat, false, {0}},
    {SYS_getdents64, false, {0}},
    {SYS_readlinkat, false, {0}},
    {SYS_unlinkat, false, {0}},
    {SYS_fchmod, false, {0}},
    {SYS_fchmodat, false, {0}},
    {SYS_fcntl, false, {0}},
    {SYS_ioctl, false, {0}},
    {SYS_dup3, false, {0}},
    {SYS_pipe2, false, {0}},
    {SYS_splice, false, {0}},
    {SYS_prlimit64, false, {0}},
    {SYS_geteuid, false, {0}},
    {SYS_process_vm_readv, false, {0}},
    {SYS_process_vm_writev, false, {0}},
    /* The socket. */
    {SYS_socket, false, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}},
    {SYS_socketpair, false, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}},
    {SYS_bind, false, {0}},
    {SYS_listen, false, {0}},
    {SYS_connect, false, {0}},
    {SYS_accept4, true, {0}},
    {SYS_getsockopt, true, {0}},
    {SYS_recvfrom, true, {0}},
    {SYS_sendto, true, {0}},
    {SYS_shutdown, false, {0}},
};

/* '0': none, '1': strict, '2': filters (proc_pid_status(5)); where it is not told, there are none.
 */
static char seccomp_mode(const struct process *process, pid_t tid)
{
    char mode[16];
    return process_status_field(process, tid, "Seccomp", mode, sizeof(mode)) ? mode[0] : '0';
}

bool seccomp_is_filtered(const struct process *process, pid_t tid)
{
    return seccomp_mode(process, tid) != '0';
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

static const char *judge_answer(uint32_t answer, bool needed)
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
        return needed ? "under a seccomp filter that refuses the calls of a loan" : NULL;
    }
}

/*
 * A new thread registers its restartable sequences as the first one did, and glibc ends the process
 * where that fails (nptl/pthread_create.c, start_thread, since 2.35).
 */
static bool must_work(size_t call, bool has_rseq)
{
#ifdef SYS_rseq
    if (calls[call].number == SYS_rseq)
        return has_rseq;
#endif
    (void)has_rseq;
    return calls[call].must_work;
}

static const char *judge_filter(const struct sock_filter *program, size_t length, bool has_rseq)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct seccomp_data data = {
            .nr = (int)calls[i].number,
            .arch = arch_audit,
        };
        for (size_t n = 0; n < 6; n++)
            data.args[n] = calls[i].arguments[n];
        const char *obstacle = judge_answer(run(program, length, &data), must_work(i, has_rseq));
        if (obstacle)
            return obstacle;
    }
    return NULL;
}

const char *seccomp_obstacle(const struct process *process, pid_t tid)
{
    if (seccomp_mode(process, tid) == '1')
        return "in seccomp's strict mode, which would kill the process for the calls of a loan";
    static const char unreadable[] = "under a seccomp filter that cannot be read (CAP_SYS_ADMIN is "
                                     "needed)";
    bool has_rseq = tracee_rseq_address(tid) != 0;
    for (long index = 0; index < FILTERS_MAX; index++) {
        long length = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, NULL);
        if (length < 0)
            return index ? NULL : unreadable; /* ENOENT: there are no more */
        CLEANUP_FREE struct sock_filter *program = calloc((size_t)length + 1, sizeof(*program));
        if (!program || ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, program) != length)
            return unreadable;
        const char *obstacle = judge_filter(program, (size_t)length, has_rseq);
        if (obstacle)
            return obstacle;
    }
    return unreadable;
}
