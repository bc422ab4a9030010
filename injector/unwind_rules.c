/*
 * The caller's frame where no unwind table tells: each rule is a weaker one, and each return
 * address must stand behind a call instruction.
 */
#include "injector/unwind_private.h"

#include "injector/arch/arch.h"

#include <string.h>

/* How far a scan goes, bytes. */
#define SCAN_BYTES 1024

/* True when `to` may be the address behind the call that led into the function at `function` (0:
   not known which). *certain: that call names this very function. */
static bool is_return_address(struct walk *walk, uint64_t to, uint64_t function, bool *certain)
{
    *certain = false;
    if (!to || !unwinder_facts(walk->unwinder, walk->thread, to)->after_call)
        return false;
    uint8_t code[ARCH_CODE_WINDOW];
    uint64_t target;
    if (!walk_read(walk, to - sizeof(code), code, sizeof(code)) ||
        !arch_call_target(code + sizeof(code), sizeof(code), to, &target))
        return true;
    *certain = function && target == function;
    return unwinder_facts(walk->unwinder, walk->thread, target)->executable;
}

/*
 * The start of the function that an address lies in, from its symbol; 0: unknown. Of a return
 * address it is the one of the call: that may be the last instruction of its function.
 */
static uint64_t function_start(struct walk *walk, uint64_t pc, bool call_site)
{
    pc -= call_site;
    struct module *module = modules_find(walk->unwinder->modules, pc);
    struct symbol symbol;
    /* After preparation nothing may be opened, and symbols come from files. */
    if (!module || !module_symbol(module, pc, &symbol))
        return 0;
    return symbol.address;
}

/* Where the return address must be, if the code tells it. */
static bool find_return_place(struct walk *walk, uint64_t pc, uint64_t function,
                              struct arch_return_place *ret)
{
    uint8_t before[ARCH_CODE_WINDOW], at[ARCH_CODE_WINDOW];
    *ret = (struct arch_return_place){0};
    if (!unwinder_facts(walk->unwinder, walk->thread, pc)->executable || pc == function)
        return true; /* called, and nothing done yet */
    size_t before_length =
        walk_read(walk, pc - sizeof(before), before, sizeof(before)) ? sizeof(before) : 0;
    return walk_read(walk, pc, at, sizeof(at)) &&
           arch_find_return_place(before + before_length, before_length, at, sizeof(at), ret);
}

/*
 * The interrupted instruction is the first one of a function (or none at all: a call through a null
 * or wild pointer), one at its very ends, or one of a stub; or the word at the stack pointer stands
 * behind a call of this very function, which has not touched the stack.
 */
static bool step_return(struct walk *walk, const struct registers *from, struct registers *to)
{
    uint64_t pc = from->value[arch_pc], sp = from->value[arch_sp], address, fp;
    uint64_t function = function_start(walk, pc, false);
    struct arch_return_place place;
    bool certain, told = find_return_place(walk, pc, function, &place);
    if (!told)
        place = (struct arch_return_place){0};
    if (sp % sizeof(address) || !walk_read(walk, sp + place.offset, &address, sizeof(address)) ||
        !is_return_address(walk, address, function, &certain) || !(told || certain))
        return false;
    *to = *from;
    register_set(to, arch_pc, address);
    register_set(to, arch_sp, sp + place.offset + sizeof(address));
    if (place.fp_saved && walk_read(walk, sp, &fp, sizeof(fp)))
        register_set(to, arch_fp, fp);
    return true;
}

static bool step_signal(struct walk *walk, const struct registers *from, struct registers *to)
{
    uint8_t context[ARCH_SIGNAL_CONTEXT_SIZE];
    if (!unwinder_facts(walk->unwinder, walk->thread, from->value[arch_pc])->signal_return ||
        !walk_read(walk, from->value[arch_sp], context, sizeof(context)))
        return false;
    arch_signal_context_registers(context, to);
    return true;
}

/* Only what the rule knows: other registers may have been changed by the function without table. */
static void set_frame(struct registers *to, uint64_t pc, uint64_t sp)
{
    *to = (struct registers){0};
    register_set(to, arch_pc, pc);
    register_set(to, arch_sp, sp);
}

static bool is_made_code(struct walk *walk, uint64_t pc)
{
    return !modules_find(walk->unwinder->modules, pc) &&
           unwinder_facts(walk->unwinder, walk->thread, pc)->executable;
}

/*
 * Interpreters push return addresses that stand behind no call, and jump (HotSpot's template
 * interpreter, invoke_return_entry). In code made at run time they are taken for what they are if
 * the next frame pointer too leads outwards.
 */
static bool is_pushed_return(struct walk *walk, const struct registers *from,
                             const uint64_t pair[2])
{
    return pair[0] > from->value[arch_fp] && is_made_code(walk, from->value[arch_pc]) &&
           is_made_code(walk, pair[1]);
}

enum fp_result {
    FP_DONE,
    FP_NONE,
    FP_ZERO, /* which marks the outermost frame (ABI section 3.4.1), if it is a frame pointer */
};

static enum fp_result step_fp(struct walk *walk, const struct registers *from, bool call_site,
                              struct registers *to)
{
    uint64_t sp = from->value[arch_sp], fp = from->value[arch_fp], pair[2];
    bool certain;
    if (!register_known(from, arch_fp))
        return FP_NONE;
    if (!fp)
        return call_site ? FP_ZERO : FP_NONE;
    if (fp % sizeof(uint64_t) || fp < sp ||
        maps_find(walk->unwinder->snapshot->maps, fp) !=
            maps_find(walk->unwinder->snapshot->maps, sp) ||
        !walk_read(walk, fp, pair, sizeof(pair)))
        return FP_NONE;
    if (!is_return_address(walk, pair[1], 0, &certain) && !is_pushed_return(walk, from, pair))
        return FP_NONE;
    set_frame(to, pair[1], fp + sizeof(pair));
    register_set(to, arch_fp, pair[0]);
    return FP_DONE;
}

/* `certain_only`: only a word behind a call of the very function that `from` is in. */
static bool step_scan(struct walk *walk, const struct registers *from, bool call_site,
                      bool certain_only, struct registers *to)
{
    uint64_t words[SCAN_BYTES / sizeof(uint64_t)];
    uint64_t start = (from->value[arch_sp] + 7) & ~UINT64_C(7);
    uint64_t function = function_start(walk, from->value[arch_pc], call_site);
    size_t count = snapshot_read(walk->unwinder->snapshot, walk->thread, start, words,
                                 sizeof(words), &walk->live) /
                   sizeof(words[0]);
    remote_keep(walk->unwinder->snapshot->process, start, words, count * sizeof(words[0]));
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        bool certain;
        if (!is_return_address(walk, words[i], function, &certain))
            continue;
        if (certain || (found == count && !certain_only))
            found = i;
        if (certain)
            break;
    }
    if (found == count)
        return false;
    uint64_t sp = start + (found + 1) * sizeof(words[0]);
    set_frame(to, words[found], sp);
    if (register_known(from, arch_fp) && from->value[arch_fp] >= sp)
        register_set(to, arch_fp, from->value[arch_fp]);
    return true;
}

/* Code at the entry point has no caller, and often no table. */
static bool is_entry_code(struct walk *walk, uint64_t pc)
{
    struct module *module = modules_find(walk->unwinder->modules, pc);
    uint64_t entry = module ? module_entry(module) : 0;
    return entry && pc >= entry && pc - entry < 64;
}

enum step walk_step_rules(struct walk *walk, bool call_site, enum frame_how *how)
{
    struct registers from, to;
    walk_registers(walk, &from);
    uint64_t pc = from.value[arch_pc];
    bool signal = false;
    if (step_signal(walk, &from, &to)) {
        *how = FRAME_SIGNAL;
        signal = true;
    } else if (!call_site && step_return(walk, &from, &to)) {
        *how = FRAME_RETURN;
    } else {
        bool executable = unwinder_facts(walk->unwinder, walk->thread, pc)->executable;
        if (executable && is_entry_code(walk, pc - call_site))
            return STEP_OUTERMOST;
        if (executable && !register_known(&from, arch_fp) &&
            !register_known(&walk->thread->registers, arch_fp))
            return STEP_NEEDS_REGISTER;
        enum fp_result fp = executable ? step_fp(walk, &from, call_site, &to) : FP_NONE;
        *how = fp == FP_DONE ? FRAME_FP : FRAME_SCAN;
        if (fp != FP_DONE && !step_scan(walk, &from, call_site, fp == FP_ZERO, &to))
            return fp == FP_ZERO ? STEP_OUTERMOST : STEP_NO_TABLE;
    }
    return walk_start(walk, &to, !signal) ? STEP_DONE : STEP_UNREADABLE;
}
