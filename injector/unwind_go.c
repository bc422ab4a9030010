/*
 * Frames of Go code, by the frame sizes in its own table (runtime/traceback.go, gentraceback): Go
 * has its own convention, no .eh_frame, and stacks that it changes between.
 */
#include "injector/unwind_private.h"

#include "injector/arch/arch.h"
#include "injector/go_table.h"

/* The Go function a frame is in. */
static const struct go_table *find_function(struct walk *walk, const struct frame *frame,
                                            struct go_function *ret)
{
    uint64_t pc = frame_lookup_pc(frame);
    struct module *module = modules_find(walk->unwinder->modules, pc);
    const struct go_table *table = module ? module_go_table(module) : NULL;
    return table && go_table_function(table, pc, ret) ? table : NULL;
}

enum step walk_step_go(struct walk *walk, const struct frame *frame, bool innermost, bool *injected)
{
    struct go_function function;
    uint32_t size;
    *injected = false;
    /* After preparation nothing may be opened; the way back from a signal is no ordinary frame. */
    if (frame->signal_frame)
        return STEP_NO_TABLE;
    const struct go_table *table = find_function(walk, frame, &function);
    if (!table)
        return STEP_NO_TABLE;
    if (function.switches_stack)
        return innermost ? STEP_NO_TABLE : STEP_OUTERMOST;
    if (!go_table_frame_size(table, &function, frame_lookup_pc(frame), &size))
        return function.outermost ? STEP_OUTERMOST : STEP_NO_TABLE;

    struct registers from, to = {0};
    uint64_t words[2];
    walk_registers(walk, &from);
    uint64_t sp = from.value[arch_sp] + size;
    if (!walk_read(walk, sp, &words[1], sizeof(words[1])))
        return function.outermost ? STEP_OUTERMOST : STEP_UNREADABLE;
    /* A signal handler is called by the kernel, and returns to it. */
    if (function.outermost &&
        !unwinder_facts(walk->unwinder, walk->thread, words[1])->signal_return)
        return STEP_OUTERMOST;
    register_set(&to, arch_pc, words[1]);
    register_set(&to, arch_sp, sp + sizeof(words[1]));
    /* Functions with a frame keep their caller's frame pointer below the return address. */
    if (size >= sizeof(words[0]) &&
        walk_read(walk, sp - sizeof(words[0]), &words[0], sizeof(words[0])))
        register_set(&to, arch_fp, words[0]);
    else if (register_known(&from, arch_fp))
        register_set(&to, arch_fp, from.value[arch_fp]);
    *injected = function.injected_call;
    return walk_start(walk, &to, !*injected) ? STEP_DONE : STEP_UNREADABLE;
}
