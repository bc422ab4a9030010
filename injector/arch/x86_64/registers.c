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

static bool is_restart_code(int64_t result)
{
    return result == -KERNEL_ERESTARTSYS || result == -KERNEL_ERESTARTNOINTR ||
           result == -KERNEL_ERESTARTNOHAND || result == -KERNEL_ERESTART_RESTARTBLOCK;
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

/* The length of `call *operand` (FF /2) with this ModRM byte, without prefixes; 0: another
   instruction. Intel manual volume 2, tables 2-2 and 2-3. */
static size_t indirect_call_length(uint8_t modrm)
{
    if ((modrm >> 3 & 7) != 2)
        return 0;
    unsigned mod = modrm >> 6, rm = modrm & 7;
    size_t sib = mod != 3 && rm == 4 ? 1 : 0;
    if (mod == 0)
        return 2 + sib + (rm == 5 ? 4 : 0);
    if (mod == 1)
        return 2 + sib + 1;
    return mod == 2 ? 2 + sib + 4 : 2;
}

bool arch_is_call_before(const uint8_t *end, size_t length)
{
    if (length >= 5 && end[-5] == 0xe8)
        return true;
    for (size_t n = 2; n <= 7 && n <= length; n++) {
        /* A SIB byte with base 5 and mod 0 carries a displacement: call *table(,%rax,8). */
        bool scaled = n == 7 && end[-7] == 0xff && end[-6] == 0x14 && (end[-5] & 7) == 5;
        if (scaled || (end[-(long)n] == 0xff && indirect_call_length(end[1 - (long)n]) == n))
            return true;
    }
    return false;
}
