/* The x86_64 side of a loan: fills in the data of stub.S and knows its places. */
#include "injector/arch/loan.h"

#include "injector/arch/x86_64/stub.h"

#include "injector/mailbox.h"
#include "injector/tracee.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <ucontext.h>

extern const uint8_t arch_x86_64_stub[], arch_x86_64_stub_entry[], arch_x86_64_stub_park[],
    arch_x86_64_stub_leave[], arch_x86_64_stub_end[], arch_x86_64_bootstrap[],
    arch_x86_64_bootstrap_end[];

#define USER_CODE_SEGMENT 0x33     /* __USER_CS: 64-bit code (arch/x86/include/asm/segment.h) */
#define X32_SYSCALL_BIT 0x40000000 /* __X32_SYSCALL_BIT of <asm/unistd.h> */
#define FLAG_TRAP 0x100            /* TF */
#define FLAG_DIRECTION 0x400       /* DF */
#define FXSAVE_BYTES 512

/* Newer than the headers of Debian 12; Linux 6.4, include/uapi/linux/ptrace.h. */
#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif
struct syscall_user_dispatch_config {
    uint64_t mode; /* 0: off */
    uint64_t selector, offset, length;
};

/* Linux 4.18, include/uapi/linux/rseq.h: struct rseq and struct rseq_cs. */
#define RSEQ_CS_OFFSET 8
struct rseq_section {
    uint32_t version, flags;
    uint64_t start_ip, post_commit_offset, abort_ip;
};

/* Results with which the kernel marks an interrupted call (include/linux/errno.h). */
enum {
    KERNEL_ERESTARTSYS = 512,
    KERNEL_ERESTARTNOINTR = 513,
    KERNEL_ERESTARTNOHAND = 514,
    KERNEL_ERESTART_RESTARTBLOCK = 516,
};

const uint32_t arch_audit = AUDIT_ARCH_X86_64;

static struct user_regs_struct *user_regs(struct arch_regset *regset)
{
    return (struct user_regs_struct *)regset->words;
}

static const struct user_regs_struct *user_regs_const(const struct arch_regset *regset)
{
    return (const struct user_regs_struct *)regset->words;
}

size_t arch_stub_size(void)
{
    return (size_t)(arch_x86_64_stub_end - arch_x86_64_stub);
}

size_t arch_bootstrap_size(void)
{
    return (size_t)(arch_x86_64_bootstrap_end - arch_x86_64_bootstrap);
}

const void *arch_bootstrap_code(void)
{
    return arch_x86_64_bootstrap;
}

/* Bytes of the XSAVE area for all features that are switched on; 0 without XSAVE. */
static size_t xsave_bytes(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
        !__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
        return 0;
    return b;
}

size_t arch_vector_state_size(void)
{
    size_t size = xsave_bytes();
    return size ? size : FXSAVE_BYTES;
}

static void put(void *stub, size_t offset, uint64_t value)
{
    memcpy((uint8_t *)stub + offset, &value, sizeof(value));
}

/*
 * Where the thread goes on: as the kernel itself would send it there at the end of an interrupted
 * call (arch/x86/kernel/signal.c, arch_do_signal_or_restart and handle_signal).
 */
static void put_way_home(void *stub, const struct user_regs_struct *home)
{
    uint64_t restart = RESTART_ALWAYS, result = home->rax, pc = home->rip;
    bool in_call = (int64_t)home->orig_rax >= 0;
    switch (in_call ? -(int64_t)home->rax : 0) {
    case KERNEL_ERESTARTSYS:
        restart = RESTART_UNLESS_TOLD;
        break;
    case KERNEL_ERESTARTNOHAND:
    case KERNEL_ERESTART_RESTARTBLOCK:
        restart = RESTART_NO_HANDLER;
        break;
    case KERNEL_ERESTARTNOINTR:
        break;
    default:
        in_call = false;
    }
    if (in_call) {
        bool timed = (int64_t)home->rax == -KERNEL_ERESTART_RESTARTBLOCK;
        result = timed ? SYS_restart_syscall : home->orig_rax;
        pc = home->rip - 2; /* of the syscall instruction */
    }
    put(stub, STUB_RESTART, restart);
    put(stub, STUB_HOME_PC, pc);
    put(stub, STUB_HOME_RESULT, result);
    put(stub, STUB_INTERRUPTED_PC, home->rip);
    put(stub, STUB_INTERRUPTED_RESULT, (uint64_t)-EINTR);
}

static void put_home_registers(void *stub, const struct user_regs_struct *home)
{
    const uint64_t registers[] = {home->rbx, home->rbp, home->r12, home->r13, home->r14,
                                  home->r15, home->rdi, home->rsi, home->rdx, home->rcx,
                                  home->r8,  home->r9,  home->r10, home->r11};
    _Static_assert(STUB_HOME_REGISTERS + sizeof(registers) == STUB_ALL_SIGNALS, "layout of stub.h");
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        put(stub, STUB_HOME_REGISTERS + i * sizeof(registers[0]), registers[i]);
    put(stub, STUB_HOME_SP, home->rsp);
    /* Single steps through the stub would be nobody's wish. */
    put(stub, STUB_HOME_FLAGS, home->eflags & ~(uint64_t)FLAG_TRAP);
}

void arch_stub_build(const struct loan_parameters *parameters, void *buffer)
{
    const struct user_regs_struct *home = user_regs_const(&parameters->home);
    const struct loan_region *region = &parameters->region;
    memcpy(buffer, arch_x86_64_stub, arch_stub_size());
    put(buffer, STUB_HOME_MASK, parameters->home_mask);
    put(buffer, STUB_LOAN_MASK, parameters->loan_mask);
    put(buffer, STUB_ALL_SIGNALS, UINT64_MAX);
    put(buffer, STUB_MAGIC, MAILBOX_MAGIC_VALUE ^ region->mailbox);
    put(buffer, STUB_DONOR, (uint64_t)parameters->donor);
    put(buffer, STUB_WORK, parameters->work);
    put(buffer, STUB_REGION, region->start);
    put(buffer, STUB_REGION_SIZE, region->size);
    put(buffer, STUB_THREAD_STACK, region->thread_stack);
    put(buffer, STUB_THREAD_STACK_SIZE, region->thread_stack_size);
    put(buffer, STUB_DONOR_STACK_TOP, region->donor_stack_top);
    put(buffer, STUB_MAILBOX, region->mailbox);
    put(buffer, STUB_VECTOR_STATE, region->vector_state);
    put(buffer, STUB_HAS_XSAVE, xsave_bytes() != 0);
    put(buffer, STUB_BOOTSTRAP, parameters->bootstrap);
    put(buffer, STUB_ATTR_INIT, parameters->pthread_attr_init);
    put(buffer, STUB_ATTR_SETDETACHSTATE, parameters->pthread_attr_setdetachstate);
    put(buffer, STUB_ATTR_SETSTACK, parameters->pthread_attr_setstack);
    put(buffer, STUB_ATTR_DESTROY, parameters->pthread_attr_destroy);
    put(buffer, STUB_PTHREAD_CREATE, parameters->pthread_create);
    put_way_home(buffer, home);
    put_home_registers(buffer, home);
}

static uint64_t get(const void *stub, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)stub + offset, sizeof(value));
    return value;
}

bool arch_stub_recognize(const void *bytes, struct loan_parameters *ret)
{
    if (memcmp((const uint8_t *)bytes + STUB_DATA_SIZE, arch_x86_64_stub + STUB_DATA_SIZE,
               arch_stub_size() - STUB_DATA_SIZE) != 0)
        return false;
    *ret = (struct loan_parameters){
        .work = get(bytes, STUB_WORK) ? LOAN_UNMAP : LOAN_CREATE_THREAD,
        .region =
            {
                .start = get(bytes, STUB_REGION),
                .size = get(bytes, STUB_REGION_SIZE),
                .mailbox = get(bytes, STUB_MAILBOX),
            },
        .donor = (pid_t)get(bytes, STUB_DONOR),
        .bootstrap = get(bytes, STUB_BOOTSTRAP),
    };
    user_regs(&ret->home)->rsp = get(bytes, STUB_HOME_SP);
    return true;
}

void arch_regset_enter_stub(struct arch_regset *regset, uint64_t stub)
{
    struct user_regs_struct *regs = user_regs(regset);
    regs->rip = stub + (uint64_t)(arch_x86_64_stub_entry - arch_x86_64_stub);
    /* No system call: else the kernel would move rip back to issue it again. */
    regs->orig_rax = (uint64_t)-1;
    regs->eflags &= ~(uint64_t)(FLAG_TRAP | FLAG_DIRECTION);
}

enum stub_place arch_stub_place(const struct arch_regset *regset, uint64_t stub)
{
    uint64_t offset = user_regs_const(regset)->rip - stub;
    if (offset >= arch_stub_size())
        return STUB_OUTSIDE;
    if (offset >= (uint64_t)(arch_x86_64_stub_leave - arch_x86_64_stub))
        return STUB_LEAVING;
    if (offset >= (uint64_t)(arch_x86_64_stub_park - arch_x86_64_stub))
        return STUB_PARKED;
    return STUB_WORKING;
}

int arch_stub_result(const struct arch_regset *regset)
{
    return (int)user_regs_const(regset)->rbx;
}

/* In the signal frame (ucontext_t) the program counter follows the stack pointer, which is the
   thread's own wherever a handler may interrupt the stub (stub.S). */
bool arch_stack_leads_into_stub(const struct loan_parameters *parameters, uint64_t stub,
                                const uint8_t *stack, size_t size)
{
    _Static_assert(REG_RIP == REG_RSP + 1, "gregset_t of <sys/ucontext.h>");
    uint64_t home_sp = user_regs_const(&parameters->home)->rsp;
    for (size_t at = 0; at + 16 <= size; at += 8)
        if (get(stack, at) == home_sp && get(stack, at + 8) - stub < arch_stub_size())
            return true;
    return false;
}

bool arch_is_signal_trampoline(const uint8_t *code, size_t length)
{
    /* mov $15,%rax; syscall, in glibc and musl; mov $15,%eax in others. */
    static const uint8_t wide[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t narrow[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
    return (length >= sizeof(wide) && !memcmp(code, wide, sizeof(wide))) ||
           (length >= sizeof(narrow) && !memcmp(code, narrow, sizeof(narrow)));
}

/* Inside a restartable sequence the program counter decides whether it is aborted: a thread that
   was away would commit it although it had been preempted. */
static bool in_restartable_sequence(const struct process *process, pid_t tid, uint64_t pc)
{
    uint64_t registered = tracee_rseq_address(tid), address;
    struct rseq_section section;
    if (!registered ||
        remote_read(process, registered + RSEQ_CS_OFFSET, &address, sizeof(address)) !=
            sizeof(address) ||
        !address)
        return false;
    if (remote_read(process, address, &section, sizeof(section)) != sizeof(section))
        return true;
    return pc - section.start_ip < section.post_commit_offset;
}

static bool dispatches_syscalls_to_user(pid_t tid)
{
    struct syscall_user_dispatch_config config = {0};
    return !ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, (void *)sizeof(config), &config) &&
           config.mode;
}

const char *arch_loan_obstacle(const struct process *process, pid_t tid,
                               const struct arch_regset *regset)
{
    if (!arch_regset_is_native(regset))
        return "in 32-bit code";
    const struct user_regs_struct *regs = user_regs_const(regset);
    if (regs->cs != USER_CODE_SEGMENT ||
        ((int64_t)regs->orig_rax >= 0 && regs->orig_rax & X32_SYSCALL_BIT))
        return "in 32-bit code";

    uint64_t arguments[6];
    uint8_t instruction[2];
    if (arch_regset_syscall(regset, arguments) >= 0 &&
        (remote_read(process, regs->rip - 2, instruction, 2) != 2 || instruction[0] != 0x0f ||
         instruction[1] != 0x05))
        return "in a system call made by an unusual instruction";
    if (in_restartable_sequence(process, tid, regs->rip))
        return "inside a restartable sequence";
    if (dispatches_syscalls_to_user(tid))
        return "under syscall user dispatch";
    return NULL;
}
