/*
 * What differs per architecture, with the same names for each. The implementation stands in
 * injector/arch/<arch>/; nothing else names a register or a system call number by itself.
 */
#ifndef INJECTOR_ARCH_H
#define INJECTOR_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Registers of one thread under their DWARF numbers (x86_64: System V ABI figure 3.36, which
 * libunwind uses too; 16 is the return address column, the program counter).
 */
#define REGISTERS_MAX 40

struct registers {
    uint64_t value[REGISTERS_MAX];
    uint64_t known; /* bit i: value[i] is known */
};

extern const unsigned arch_pc, arch_sp, arch_fp; /* DWARF numbers */
extern const unsigned arch_register_count;
extern const uint64_t arch_kept_by_calls; /* bit i: a function returns with the value[i] it found */
extern const uint64_t arch_set_by_syscall; /* ... a system call that returns changes value[i] */
extern const uint16_t arch_elf_machine;    /* EM_... */
extern const size_t arch_red_zone;         /* bytes below sp that belong to the function */
extern const char *const arch_name;        /* as uname(2) says it */

static inline bool register_known(const struct registers *registers, unsigned number)
{
    return number < REGISTERS_MAX && (registers->known >> number & 1);
}

static inline void register_set(struct registers *registers, unsigned number, uint64_t value)
{
    registers->value[number] = value;
    registers->known |= UINT64_C(1) << number;
}

/*
 * The raw NT_PRSTATUS register set (PTRACE_GETREGSET), opaque outside arch/. `size` is what the
 * kernel returned: it tells a 32-bit thread.
 */
struct arch_regset {
    uint64_t words[48];
    size_t size;
};

/* True for a register set of a 64-bit thread that runs 64-bit code. */
bool arch_regset_is_native(const struct arch_regset *regset);

void arch_regset_to_registers(const struct arch_regset *regset, struct registers *ret);

/*
 * The registers that /proc/TID/syscall shows of a thread blocked in system call `number` (-1:
 * blocked outside of one, in a page fault, say; then only pc and sp). proc(5).
 */
void arch_registers_from_syscall(long number, const uint64_t arguments[6], uint64_t sp, uint64_t pc,
                                 struct registers *ret);

/* What its thread-local variables are found by. */
uint64_t arch_regset_thread_pointer(const struct arch_regset *regset);

/* The system call a stopped thread is in, or -1; with its arguments. */
long arch_regset_syscall(const struct arch_regset *regset, uint64_t arguments[6]);

/*
 * EINTR repair (DESIGN.md section 4). When the thread was interrupted at PTRACE_EVENT_STOP in a
 * call that gives EINTR after any stop, and may simply be issued again, changes the result register
 * to -ERESTARTNOHAND and returns true: write the set back before the thread goes on.
 */
bool arch_regset_repair_eintr(struct arch_regset *regset);

/* True when the bytes that end at `end` (length of them) are a call instruction. */
bool arch_is_call_before(const uint8_t *end, size_t length);

/*
 * The function that the call instruction which ends at runtime address `address` calls, when that
 * stands in the instruction. `end` and `length` as above.
 */
bool arch_call_target(const uint8_t *end, size_t length, uint64_t address, uint64_t *ret);

/*
 * The address of the pointer that the same call instruction calls through, when that stands in the
 * instruction.
 */
bool arch_call_slot(const uint8_t *end, size_t length, uint64_t address, uint64_t *ret);

/*
 * The address of the pointer that the code `at` (at runtime address `address`) jumps through right
 * away: a stub that leads to another file's function (PLT).
 */
bool arch_jump_slot(const uint8_t *at, size_t length, uint64_t address, uint64_t *ret);
#define ARCH_JUMP_MAX 11

/*
 * Where the return address lies, for code whose instructions around the program counter say so: the
 * first ones of a function that will keep a frame pointer, the last ones of any, the stubs that
 * lead to another file's function (PLT). `before` is the end of the `before_length` bytes below the
 * program counter, `at` the bytes from it on. False: they do not say.
 */
struct arch_return_place {
    unsigned offset; /* bytes above the stack pointer, at most ARCH_RETURN_OFFSET_MAX */
    bool fp_saved;   /* the caller's frame pointer is right at the stack pointer */
};
bool arch_find_return_place(const uint8_t *before, size_t before_length, const uint8_t *at,
                            size_t at_length, struct arch_return_place *ret);
#define ARCH_RETURN_OFFSET_MAX 16

/*
 * True for the code that a signal handler returns to, which ends the signal by rt_sigreturn(2).
 * Where it has no unwind table, the registers of the interrupted code are in the structure that the
 * kernel put on the stack.
 */
bool arch_is_signal_return(const uint8_t *at, size_t length);
#define ARCH_SIGNAL_CONTEXT_SIZE 512
/* `context`: ARCH_SIGNAL_CONTEXT_SIZE bytes from the stack pointer of that code on. */
void arch_signal_context_registers(const uint8_t *context, struct registers *ret);

/* What a relocation of an object file asks for, by its number. */
enum arch_relocation {
    ARCH_RELOCATION_OTHER,
    ARCH_RELOCATION_ADDRESS,  /* the address, 8 bytes */
    ARCH_RELOCATION_DISTANCE, /* the address less the place's, 4 bytes */
};
enum arch_relocation arch_relocation(uint64_t type);

/* Bytes that arch_is_call_before needs at most, and that arch_find_return_place looks at. */
#define ARCH_CODE_WINDOW 9

#endif
