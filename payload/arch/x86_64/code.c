/* What the unwinder has to know of x86_64 code and registers (AMD64 manual, volume 3; System V ABI,
   AMD64 supplement, section 3.6.2: register numbers). */
#include "payload/arch/arch.h"

#include <string.h>
#include <ucontext.h>

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, RETURN };

const unsigned arch_register_count = RETURN + 1;
const unsigned arch_register_pc = RETURN;
const unsigned arch_register_sp = RSP;
const unsigned arch_register_fp = RBP;
const uint64_t arch_registers_kept =
    1u << RBX | 1u << RBP | 1u << R12 | 1u << R13 | 1u << R14 | 1u << R15;
const uint8_t arch_call_arguments[6] = {RDI, RSI, RDX, R10, R8, R9};

#define OPCODE_CALL 0xe8   /* and a distance of 4 bytes */
#define OPCODE_GROUP5 0xff /* with 2 in the middle of ModRM: call through register or memory */

/* The length that ModRM (and SIB) say of an indirect call without prefixes; 0: it is none. */
static size_t indirect_call_length(const uint8_t *code, size_t length)
{
    if (length < 2 || code[0] != OPCODE_GROUP5 || (code[1] >> 3 & 7) != 2)
        return 0;
    unsigned mod = code[1] >> 6, rm = code[1] & 7;
    if (mod == 3)
        return 2;
    bool sib = rm == 4;
    if (sib && length < 3)
        return 0;
    size_t displacement = mod == 1 ? 1 : mod == 2 || rm == 5 || (sib && (code[2] & 7) == 5) ? 4 : 0;
    return 2 + sib + displacement;
}

bool arch_is_call_before(const uint8_t *end, size_t length)
{
    if (length >= 5 && end[-5] == OPCODE_CALL)
        return true;
    for (size_t n = 2; n <= 7 && n <= length; n++)
        if (indirect_call_length(end - n, n) == n)
            return true;
    return false;
}

/* push %rbp; mov %rsp,%rbp; and leave, or pop %rbp, before ret. */
void arch_find_saved(const uint64_t values[ARCH_REGISTERS_MAX],
                     const uint8_t code[2 * ARCH_CODE_WINDOW], bool exact, struct arch_saved *ret)
{
    static const uint8_t entry[] = {0x55, 0x48, 0x89, 0xe5};
    const uint8_t *at = code + ARCH_CODE_WINDOW;
    uint64_t sp = values[RSP], fp = values[RBP];
    bool before_push = memcmp(at, entry, sizeof(entry)) == 0;
    bool after_push = memcmp(at - 1, entry, sizeof(entry)) == 0;
    bool before_return = *at == 0xc3 && (at[-1] == 0xc9 || at[-1] == 0x5d);
    if (exact && (before_push || before_return))
        *ret = (struct arch_saved){0, sp, sp + 8};
    else if (exact && after_push)
        *ret = (struct arch_saved){sp, sp + 8, sp + 16};
    else
        *ret = (struct arch_saved){fp, fp + 8, fp + 16};
}

bool arch_is_signal_return(const uint8_t *code, size_t length)
{
    static const char with_rax[] = "\x48\xc7\xc0\x0f\0\0\0\x0f\x05"; /* mov $15,%rax; syscall */
    return length >= sizeof(with_rax) - 1 && !memcmp(code, with_rax, sizeof(with_rax) - 1);
}

/* struct rt_sigframe of the kernel's arch/x86/include/asm/sigframe.h behind its first member, the
   return address that is used up here: ucontext_t of <sys/ucontext.h>. */
void arch_signal_registers(const void *context, uint64_t values[ARCH_REGISTERS_MAX])
{
    static const uint8_t order[] = {
        [RAX] = REG_RAX, [RDX] = REG_RDX,    [RCX] = REG_RCX, [RBX] = REG_RBX, [RSI] = REG_RSI,
        [RDI] = REG_RDI, [RBP] = REG_RBP,    [RSP] = REG_RSP, [R8] = REG_R8,   [R9] = REG_R9,
        [R10] = REG_R10, [R11] = REG_R11,    [R12] = REG_R12, [R13] = REG_R13, [R14] = REG_R14,
        [R15] = REG_R15, [RETURN] = REG_RIP,
    };
    _Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) + sizeof(gregset_t) <=
                       ARCH_SIGNAL_CONTEXT_MAX,
                   "the registers are within the bytes asked for");
    const ucontext_t *interrupted = context;
    for (size_t i = 0; i < sizeof(order); i++)
        values[i] = (uint64_t)interrupted->uc_mcontext.gregs[order[i]];
}
