#include "payload/unwind.h"

#include "payload/code.h"

#include <errno.h>
#include <string.h>

#define CODE_PAGES 128
#define STACK_PAGES 16

int unwinder_init(struct unwinder *unwinder)
{
    memset(unwinder, 0, sizeof(*unwinder));
    unwinder->work = memory_map(cfi_work_size());
    if (!unwinder->work || !view_init(&unwinder->code, CODE_PAGES) ||
        !view_init(&unwinder->stack, STACK_PAGES))
        return ENOMEM;
    return modules_read(&unwinder->modules);
}

void unwinder_deinit(struct unwinder *unwinder)
{
    modules_deinit(&unwinder->modules);
    view_deinit(&unwinder->stack);
    view_deinit(&unwinder->code);
    memory_unmap(unwinder->work, cfi_work_size());
    memset(unwinder, 0, sizeof(*unwinder));
}

/* The frame that the registers are of. */
struct position {
    struct registers registers;
    bool exact;  /* the program counter is not a return address */
    bool signal; /* it is the way back from a signal handler: what comes next was interrupted */
};

/* From the way back of a signal handler, where the C library has no table for it. */
static enum cfi_step step_signal(struct unwinder *unwinder, struct registers *registers)
{
    _Alignas(16) uint8_t bytes[ARCH_SIGNAL_CONTEXT_MAX];
    uint64_t pc = registers->value[arch_register_pc], sp = registers->value[arch_register_sp];
    if (!view_read(&unwinder->code, pc, bytes, ARCH_CODE_WINDOW) ||
        !arch_is_signal_return(bytes, ARCH_CODE_WINDOW))
        return CFI_NO_TABLE;
    if (!view_read(&unwinder->stack, sp, bytes, sizeof(bytes)))
        return CFI_UNREADABLE;
    arch_signal_registers(bytes, registers->value);
    registers->known = (UINT64_C(1) << arch_register_count) - 1;
    return CFI_DONE;
}

/* Of code that the client compiled: it has no tables, and keeps a frame pointer. */
static enum cfi_step step_compiled(struct unwinder *unwinder, bool exact,
                                   struct registers *registers)
{
    uint8_t code[2 * ARCH_CODE_WINDOW];
    struct arch_saved saved;
    uint64_t pc = registers->value[arch_register_pc], return_address;
    uint64_t frame_pointer = registers->value[arch_register_fp];
    if (!register_known(registers, arch_register_fp) ||
        !view_read(&unwinder->code, pc - ARCH_CODE_WINDOW, code, sizeof(code)))
        return CFI_NO_TABLE;
    arch_find_saved(registers->value, code, exact, &saved);
    if (!view_read(&unwinder->stack, saved.return_address, &return_address,
                   sizeof(return_address)) ||
        (saved.frame_pointer &&
         !view_read(&unwinder->stack, saved.frame_pointer, &frame_pointer, sizeof(frame_pointer))))
        return CFI_UNREADABLE;
    registers->known = 0;
    register_set(registers, arch_register_pc, return_address);
    register_set(registers, arch_register_sp, saved.sp);
    register_set(registers, arch_register_fp, frame_pointer);
    return CFI_DONE;
}

/* A call to where nothing is: its return address is all that it has done. Code that is there, of a
   runtime say, may have done anything. */
static enum cfi_step step_nowhere(struct unwinder *unwinder, struct registers *registers)
{
    uint64_t sp = registers->value[arch_register_sp], return_address;
    uint8_t code;
    if (view_read(&unwinder->code, registers->value[arch_register_pc], &code, sizeof(code)))
        return CFI_NO_TABLE;
    if (!view_read(&unwinder->stack, sp, &return_address, sizeof(return_address)))
        return CFI_UNREADABLE;
    register_set(registers, arch_register_pc, return_address);
    register_set(registers, arch_register_sp, sp + sizeof(return_address));
    return CFI_DONE;
}

static enum cfi_step step(struct unwinder *unwinder, struct position *position)
{
    struct registers *registers = &position->registers;
    uintptr_t address = registers->value[arch_register_pc] - !position->exact;
    const struct module *module = modules_find(&unwinder->modules, address);
    struct cfi_entry entry;
    position->signal = false;
    if (code_holds(address))
        return step_compiled(unwinder, position->exact, registers);
    if (module && cfi_find(&unwinder->code, module, address, &entry)) {
        position->signal = entry.signal_frame;
        return cfi_step(unwinder->work, &unwinder->code, &unwinder->stack, &entry, address,
                        registers);
    }
    if (!module && position->exact)
        return step_nowhere(unwinder, registers);
    enum cfi_step result = module ? step_signal(unwinder, registers) : CFI_NO_TABLE;
    position->signal = result == CFI_DONE;
    return result;
}

/* True for an address that a call may have left, in memory that may be executed; and for the way
   back from a signal handler, which the kernel left. */
static bool is_return_address(struct unwinder *unwinder, uintptr_t pc, bool *exact)
{
    uint8_t code[ARCH_CODE_WINDOW];
    *exact = false;
    /* The call may be the very last instruction of its mapping. */
    if ((modules_find(&unwinder->modules, pc - 1) || code_holds(pc - 1)) &&
        view_read(&unwinder->code, pc - sizeof(code), code, sizeof(code)) &&
        arch_is_call_before(code + sizeof(code), sizeof(code)))
        return true;
    const struct module *module = modules_find(&unwinder->modules, pc);
    struct cfi_entry entry;
    if (!module)
        return false;
    *exact = true;
    if (view_read(&unwinder->code, pc, code, sizeof(code)) &&
        arch_is_signal_return(code, sizeof(code)))
        return true;
    return cfi_find(&unwinder->code, module, pc, &entry) && entry.signal_frame;
}

static enum unwind_end end_of(enum cfi_step result)
{
    switch (result) {
    case CFI_OUTERMOST:
        return UNWIND_OUTERMOST;
    case CFI_NEEDS_REGISTER:
        return UNWIND_NEEDS_REGISTER;
    case CFI_UNREADABLE:
        return UNWIND_UNREADABLE;
    case CFI_NO_TABLE:
    case CFI_DONE:
        break;
    }
    return UNWIND_NO_TABLE;
}

/* To the caller. False: *end says why not. */
static bool step_out(struct unwinder *unwinder, struct position *position, enum unwind_end *end)
{
    uint64_t sp = position->registers.value[arch_register_sp];
    enum cfi_step result = step(unwinder, position);
    if (result != CFI_DONE) {
        *end = end_of(result);
        return false;
    }
    uint64_t pc = position->registers.value[arch_register_pc];
    position->exact = position->signal;
    if (position->signal)
        return true; /* whatever the signal met, on whatever stack */
    if (!pc) {
        *end = UNWIND_OUTERMOST;
        return false;
    }
    if (position->registers.value[arch_register_sp] <= sp) {
        *end = UNWIND_NO_PROGRESS;
        return false;
    }
    *end = UNWIND_NO_CALL;
    return is_return_address(unwinder, pc, &position->exact);
}

void unwind(struct unwinder *unwinder, const struct registers *registers, struct trace *ret)
{
    struct position position = {.registers = *registers, .exact = true};
    ret->count = 0;
    view_forget(&unwinder->stack);
    do {
        if (ret->count == UNWIND_MAX_FRAMES) {
            ret->end = UNWIND_LIMIT;
            return;
        }
        ret->pcs[ret->count] = position.registers.value[arch_register_pc];
        ret->exact[ret->count++] = position.exact;
    } while (step_out(unwinder, &position, &ret->end));
}

const char *unwind_explain(enum unwind_end end)
{
    switch (end) {
    case UNWIND_OUTERMOST:
        return NULL;
    case UNWIND_LIMIT:
        return "more frames";
    case UNWIND_NEEDS_REGISTER:
        return "needs a register that only the thread itself has";
    case UNWIND_NO_TABLE:
        return "no unwind table covers this code";
    case UNWIND_UNREADABLE:
        return "stack memory that cannot be read";
    case UNWIND_NO_CALL:
        return "the next address is none that a call left";
    case UNWIND_NO_PROGRESS:
        return "the next frame does not lie further out on the stack";
    }
    return NULL;
}
