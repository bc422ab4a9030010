#include "payload/arch/arch.h"

#include <errno.h>
#include <ucontext.h>

/* EFLAGS: direction, trap and alignment check must be clear when code of ours runs again. */
#define FLAGS_CLEARED (0x400 | 0x100 | 0x40000)

void arch_guarded_landing(void);

static const greg_t *registers_of(const void *context)
{
    return ((const ucontext_t *)context)->uc_mcontext.gregs;
}

uintptr_t arch_context_pc(const void *context)
{
    return (uintptr_t)registers_of(context)[REG_RIP];
}

uintptr_t arch_context_sp(const void *context)
{
    return (uintptr_t)registers_of(context)[REG_RSP];
}

bool arch_context_in_syscall(const void *context)
{
    const greg_t *registers = registers_of(context);
    if (registers[REG_RAX] != -EINTR)
        return false;
    /* The bytes of the instruction that was just executed can be read. */
    const unsigned char *before = (const unsigned char *)registers[REG_RIP] - 2;
    return before[0] == 0x0f && before[1] == 0x05;
}

void arch_context_escape(void *context, const struct arch_frame *frame)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    registers[REG_RIP] = (greg_t)(uintptr_t)arch_guarded_landing;
    registers[REG_RSP] = (greg_t)frame->sp;
    registers[REG_EFL] &= ~(greg_t)FLAGS_CLEARED;
}
