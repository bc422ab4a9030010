/*
 * The registers of x86_64: DWARF numbers (System V ABI, AMD64 supplement, figure 3.36), the layout
 * of NT_PRSTATUS (struct user_regs_struct of <sys/user.h>), and what the kernel does with them when
 * a system call is interrupted (arch/x86/kernel/signal.c, arch_do_signal_or_restart).
 */
#include "injector/arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <ucontext.h>

enum dwarf_register {
    DWARF_RAX,
    DWARF_RDX,
    DWARF_RCX,
    DWARF_RBX,
    DWARF_RSI,
    DWARF_RDI,
    DWARF_RBP,
    DWARF_RSP,
    DWARF_R8,
    DWARF_R9,
    DWARF_R10,
    DWARF_R11,
    DWARF_R12,
    DWARF_R13,
    DWARF_R14,
    DWARF_R15,
    DWARF_RETURN_ADDRESS,
    DWARF_REGISTER_COUNT,
};

const unsigned arch_pc = DWARF_RETURN_ADDRESS;
const unsigned arch_sp = DWARF_RSP;
const unsigned arch_fp = DWARF_RBP;
const unsigned arch_register_count = DWARF_REGISTER_COUNT;
/* ABI section 3.2.1; the stack pointer and the return address are those after the call. */
const uint64_t arch_kept_by_calls = 1 << DWARF_RBX | 1 << DWARF_RBP | 1 << DWARF_RSP |
                                    1 << DWARF_R12 | 1 << DWARF_R13 | 1 << DWARF_R14 |
                                    1 << DWARF_R15 | 1 << DWARF_RETURN_ADDRESS;
/* The result; and what the syscall instruction itself overwrites (AMD64 manual volume 3). */
const uint64_t arch_set_by_syscall = 1 << DWARF_RAX | 1 << DWARF_RCX | 1 << DWARF_R11;
const uint16_t arch_elf_machine = EM_X86_64;
const size_t arch_red_zone = 128; /* ABI section 3.2.2 */
const char *const arch_name = "x86_64";

/* Results that only the kernel itself ever sees (include/linux/errno.h): they tell it at the end of
   the signal work whether to issue the interrupted call again. */
enum {
    KERNEL_ERESTARTSYS = 512,
    KERNEL_ERESTARTNOINTR = 513,
    KERNEL_ERESTARTNOHAND = 514,
    KERNEL_ERESTART_RESTARTBLOCK = 516,
};

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(((struct arch_regset *)0)->words),
               "a register set fits");

static struct user_regs_struct *user_regs(struct arch_regset *regset)
{
    return (struct user_regs_struct *)regset->words;
}

static const struct user_regs_struct *user_regs_const(const struct arch_regset *regset)
{
    return (const struct user_regs_struct *)regset->words;
}

/* The kernel chooses the layout by the code segment the thread runs in, so the size says it all
   (arch/x86/kernel/ptrace.c, task_user_regset_view). */
bool arch_regset_is_native(const struct arch_regset *regset)
{
    return regset->size == sizeof(struct user_regs_struct);
}

void arch_regset_to_registers(const struct arch_regset *regset, struct registers *ret)
{
    const struct user_regs_struct *regs = user_regs_const(regset);
    const uint64_t values[DWARF_REGISTER_COUNT] = {
        [DWARF_RAX] = regs->rax,
        [DWARF_RDX] = regs->rdx,
        [DWARF_RCX] = regs->rcx,
        [DWARF_RBX] = regs->rbx,
        [DWARF_RSI] = regs->rsi,
        [DWARF_RDI] = regs->rdi,
        [DWARF_RBP] = regs->rbp,
        [DWARF_RSP] = regs->rsp,
        [DWARF_R8] = regs->r8,
        [DWARF_R9] = regs->r9,
        [DWARF_R10] = regs->r10,
        [DWARF_R11] = regs->r11,
        [DWARF_R12] = regs->r12,
        [DWARF_R13] = regs->r13,
        [DWARF_R14] = regs->r14,
        [DWARF_R15] = regs->r15,
        [DWARF_RETURN_ADDRESS] = regs->rip,
    };

    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < DWARF_REGISTER_COUNT; i++)
        register_set(ret, i, values[i]);
}

void arch_registers_from_syscall(long number, const uint64_t arguments[6], uint64_t sp, uint64_t pc,
                                 struct registers *ret)
{
    static const uint8_t argument_registers[6] = {DWARF_RDI, DWARF_RSI, DWARF_RDX,
                                                  DWARF_R10, DWARF_R8,  DWARF_R9};

    memset(ret, 0, sizeof(*ret));
    register_set(ret, DWARF_RSP, sp);
    register_set(ret, DWARF_RETURN_ADDRESS, pc);
    if (number < 0)
        return;
    for (unsigned i = 0; i < 6; i++)
        register_set(ret, argument_registers[i], arguments[i]);
    /* The syscall instruction itself leaves the return address there (AMD64 manual volume 3). */
    register_set(ret, DWARF_RCX, pc);
}

/* struct rt_sigframe of arch/x86/include/asm/sigframe.h behind its first member, the return address
   that is used up here: ucontext_t of <sys/ucontext.h>. */
void arch_signal_context_registers(const uint8_t *context, struct registers *ret)
{
    static const uint8_t registers[][2] = {
        {DWARF_R8, REG_R8},
        {DWARF_R9, REG_R9},
        {DWARF_R10, REG_R10},
        {DWARF_R11, REG_R11},
        {DWARF_R12, REG_R12},
        {DWARF_R13, REG_R13},
        {DWARF_R14, REG_R14},
        {DWARF_R15, REG_R15},
        {DWARF_RDI, REG_RDI},
        {DWARF_RSI, REG_RSI},
        {DWARF_RBP, REG_RBP},
        {DWARF_RBX, REG_RBX},
        {DWARF_RDX, REG_RDX},
        {DWARF_RAX, REG_RAX},
        {DWARF_RCX, REG_RCX},
        {DWARF_RSP, REG_RSP},
        {DWARF_RETURN_ADDRESS, REG_RIP},
    };
    _Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(gregset_t) <=
                       ARCH_SIGNAL_CONTEXT_SIZE,
                   "the registers are within the bytes asked for");

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        greg_t value;
        memcpy(&value,
               context + offsetof(ucontext_t, uc_mcontext.gregs) + registers[i][1] * sizeof(value),
               sizeof(value));
        register_set(ret, registers[i][0], (uint64_t)value);
    }
}

static bool is_restart_code(int64_t result)
{
    return result == -KERNEL_ERESTARTSYS || result == -KERNEL_ERESTARTNOINTR ||
           result == -KERNEL_ERESTARTNOHAND || result == -KERNEL_ERESTART_RESTARTBLOCK;
}

uint64_t arch_regset_thread_pointer(const struct arch_regset *regset)
{
    return user_regs_const(regset)->fs_base;
}

long arch_regset_syscall(const struct arch_regset *regset, uint64_t arguments[6])
{
    const struct user_regs_struct *regs = user_regs_const(regset);
    /* With any other result the call is over, and the thread was on its way out of the kernel. */
    if ((int64_t)regs->orig_rax < 0 || !is_restart_code((int64_t)regs->rax))
        return -1;

    arguments[0] = regs->rdi;
    arguments[1] = regs->rsi;
    arguments[2] = regs->rdx;
    arguments[3] = regs->r10;
    arguments[4] = regs->r8;
    arguments[5] = regs->r9;
    return (long)regs->orig_rax;
}

/*
 * Calls that return EINTR after any stop (signal(7), "Interruption of system calls and library
 * functions by stop signals"; measured on 6.18 with tests/targets/blocking_calls.c), and may simply
 * be issued again, because EINTR from them says that nothing was done.
 */
static bool gives_eintr_after_stop(const struct user_regs_struct *regs)
{
    switch ((long)regs->orig_rax) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_io_uring_enter:
    /* On a socket with SO_RCVTIMEO or SO_SNDTIMEO (include/net/sock.h, sock_intr_errno). */
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
        return true;
    case SYS_fallocate: /* of tmpfs, which undoes its work first (mm/shmem.c) */
        return !(regs->rsi & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE));
    default:
        return false;
    }
}

bool arch_regset_repair_eintr(struct arch_regset *regset)
{
    if (!arch_regset_is_native(regset))
        return false;
    struct user_regs_struct *regs = user_regs(regset);
    if ((int64_t)regs->rax != -EINTR || !gives_eintr_after_stop(regs))
        return false;
    regs->rax = (uint64_t)-KERNEL_ERESTARTNOHAND;
    return true;
}
