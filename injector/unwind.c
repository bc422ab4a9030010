#include "injector/unwind.h"

#include "injector/arch/arch.h"
#include "injector/unwind_private.h"

#include <stdlib.h>
#include <string.h>

/* Stacks a thread may change between without a signal (coroutines, split stacks). */
#define STACK_CHANGES_MAX 64

const char *frame_how_name(enum frame_how how)
{
    static const char *const names[] = {
        [FRAME_REGISTERS] = "registers", [FRAME_CFI] = "cfi", [FRAME_RETURN] = "return",
        [FRAME_SIGNAL] = "signal",       [FRAME_FP] = "fp",   [FRAME_SCAN] = "scan",
    };
    return names[how];
}

void stack_deinit(struct stack *stack)
{
    free(stack->frames);
    free(stack->registers);
    *stack = (struct stack){0};
}

struct error *unwinder_create(struct snapshot *snapshot, struct modules *modules,
                              struct unwinder **ret)
{
    struct unwinder *unwinder = calloc(1, sizeof(*unwinder));
    if (!unwinder)
        return error_no_memory();
    unwinder->snapshot = snapshot;
    unwinder->modules = modules;
    struct error *error = unwinder_create_spaces(unwinder);
    if (error) {
        unwinder_destroy(unwinder);
        return error;
    }
    *ret = unwinder;
    return NULL;
}

void unwinder_use(struct unwinder *unwinder, struct snapshot *snapshot)
{
    unwinder->snapshot = snapshot;
    if (unwinder->jit_rows)
        unw_flush_cache(unwinder->space, 0, 0);
    unwinder->jit_rows = false;
    for (size_t i = 0; i < PC_FACTS_COUNT; i++) {
        if (!unwinder->facts[i].in_file)
            unwinder->facts[i].valid = false;
    }
}

void unwinder_destroy(struct unwinder *unwinder)
{
    if (!unwinder)
        return;
    if (unwinder->space)
        unw_destroy_addr_space(unwinder->space);
    if (unwinder->exact_space)
        unw_destroy_addr_space(unwinder->exact_space);
    free(unwinder);
}

void unwinder_cleanup(struct unwinder **unwinder)
{
    unwinder_destroy(*unwinder);
}

void unwinder_keep_registers(struct unwinder *unwinder, bool keep)
{
    unwinder->keep_registers = keep;
}

static bool read_code(struct unwinder *unwinder, const struct thread_snapshot *thread,
                      uint64_t address, uint8_t *buffer, size_t size)
{
    struct module *module = modules_find(unwinder->modules, address);
    if (module && module_code_at(module, address, buffer, size))
        return true;
    if (snapshot_read(unwinder->snapshot, thread, address, buffer, size, NULL) != size)
        return false;
    remote_keep(unwinder->snapshot->process, address, buffer, size);
    return true;
}

static void find_facts(struct unwinder *unwinder, const struct thread_snapshot *thread, uint64_t pc,
                       struct pc_facts *ret)
{
    const struct mapping *mapping = maps_find(unwinder->snapshot->maps, pc);
    uint8_t code[ARCH_CODE_WINDOW];
    struct cfi_entry entry;
    *ret = (struct pc_facts){.pc = pc, .valid = true};
    /* A return address may be the first one behind executable memory: the call never returns. */
    if (!mapping || !mapping->executable)
        return;
    ret->executable = true;
    ret->in_file = mapping->inode && !mapping->writable;
    size_t before = pc - mapping->start < sizeof(code) ? pc - mapping->start : sizeof(code);
    ret->after_call = before && read_code(unwinder, thread, pc - before, code, before) &&
                      arch_is_call_before(code + before, before);
    if (read_code(unwinder, thread, pc, code, sizeof(code)) &&
        arch_is_signal_return(code, sizeof(code))) {
        ret->signal_return = true;
        return;
    }
    struct module *module = modules_find(unwinder->modules, pc);
    /* Only .eh_frame marks them: no need to load anything. */
    if (!module || !cfi_find(module, pc, false, &entry))
        return;
    ret->signal_return = entry.signal_frame;
    ret->function_start = entry.start == pc && !ret->after_call;
}

const struct pc_facts *unwinder_facts(struct unwinder *unwinder,
                                      const struct thread_snapshot *thread, uint64_t pc)
{
    struct pc_facts *facts = &unwinder->facts[(pc ^ pc >> 12) & (PC_FACTS_COUNT - 1)];
    if (!facts->valid || facts->pc != pc)
        find_facts(unwinder, thread, pc, facts);
    return facts;
}

static bool grow(struct stack *stack, size_t capacity, bool with_registers)
{
    struct frame *frames = reallocarray(stack->frames, capacity, sizeof(*frames));
    if (!frames)
        return false;
    stack->frames = frames;
    if (!with_registers)
        return true;
    struct registers *registers =
        reallocarray(stack->registers, capacity, sizeof(*stack->registers));
    if (!registers)
        return false;
    stack->registers = registers;
    return true;
}

/* Appends the frame that the cursor is on. */
static struct error *append(struct walk *walk, struct stack *stack, size_t *capacity,
                            const struct frame *frame)
{
    bool with_registers = walk->unwinder->keep_registers;
    if (stack->count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 32;
        if (!grow(stack, larger, with_registers))
            return error_no_memory();
        *capacity = larger;
    }
    if (with_registers) {
        struct registers *registers = &stack->registers[stack->count];
        walk_registers(walk, registers);
    }
    stack->frames[stack->count++] = *frame;
    return NULL;
}

/* What tells that a walk goes round in circles. */
struct progress {
    uint64_t sp;
    unsigned stack_changes;
    uint64_t mark_pc, mark_sp; /* met before; set anew whenever the count of frames has doubled */
    size_t next_mark;
};

static const char *const reason_loop = "the stack leads back to a frame already seen";

/* NULL, or why the step to (pc, sp) must not be taken. */
static const char *check_progress(const struct walk *walk, struct progress *progress,
                                  const struct frame *from, size_t count, uint64_t pc, uint64_t sp)
{
    if (sp <= progress->sp && !from->signal_frame) {
        const struct maps *maps = walk->unwinder->snapshot->maps;
        if (maps_find(maps, sp) == maps_find(maps, progress->sp))
            return "the next frame does not lie further out on the stack";
        if (++progress->stack_changes > STACK_CHANGES_MAX)
            return reason_loop;
    }
    if (pc == progress->mark_pc && sp == progress->mark_sp)
        return reason_loop;
    if (count >= progress->next_mark) {
        progress->mark_pc = pc;
        progress->mark_sp = sp;
        progress->next_mark = count * 2;
    }
    progress->sp = sp;
    return NULL;
}

static const char *const reason_unreadable = "stack memory that cannot be read";

/* Why a frame has no caller that we could find. */
static const char *stop_reason(struct walk *walk, const struct frame *frame, enum step step,
                               enum unwind_rules rules)
{
    if (step == STEP_UNREADABLE)
        return reason_unreadable;
    if (!unwinder_facts(walk->unwinder, walk->thread, frame->pc)->executable)
        return frame->is_call_site ? "a return address that is not in executable memory"
                                   : "a program counter that is not in executable memory";
    return rules == UNWIND_CFI_ONLY ? "no unwind table covers this code"
                                    : "no unwind table and no frame pointer lead further";
}

/*
 * The frame the cursor is on; the first frame of the walk has no `from`. What a signal interrupted
 * stood at its program counter, not behind a call; so do the ways back from a signal, and the
 * bottom of a stack that a program made by itself (makecontext): no call put these addresses there.
 */
static struct frame current_frame(struct walk *walk, const struct frame *from, uint64_t pc,
                                  enum frame_how how)
{
    const struct pc_facts *facts = unwinder_facts(walk->unwinder, walk->thread, pc);
    return (struct frame){
        .pc = pc,
        .how = how,
        .signal_frame = facts->signal_return,
        .is_call_site =
            from && !from->signal_frame && !facts->signal_return && !facts->function_start,
    };
}

/* True for a frame that is not the first one, and whose address no call and no signal left. */
static bool is_made_up(const struct frame *frame, const struct frame *from)
{
    return from && !from->signal_frame && !frame->signal_frame && !frame->is_call_site;
}

static void finish(struct stack *stack, enum unwind_end end, const char *reason)
{
    stack->end = end;
    stack->reason = reason;
}

static void finish_at_step(struct walk *walk, struct stack *stack, const struct frame *frame,
                           enum step step, enum unwind_rules rules)
{
    if (step == STEP_OUTERMOST)
        finish(stack, UNWIND_COMPLETE, NULL);
    else if (step == STEP_NEEDS_REGISTER)
        finish(stack, UNWIND_NEEDS_REGISTER, "a register that only a stop would show");
    else
        finish(stack, UNWIND_STOPPED, stop_reason(walk, frame, step, rules));
}

/*
 * One step outwards from `frame`, whose caller `*next` receives. `made_up`: see is_made_up; such a
 * frame has a caller only if the tables lead to one that made a call.
 */
static enum step step_out(struct walk *walk, const struct frame *frame, bool made_up,
                          enum unwind_rules rules, struct frame *next, uint64_t *sp)
{
    enum frame_how how = FRAME_CFI;
    bool injected = false;
    enum step step = rules == UNWIND_ALL_RULES
                         ? walk_step_go(walk, frame, !walk->stepped, &injected)
                         : STEP_NO_TABLE;
    if (step == STEP_NO_TABLE)
        step = walk_step_cfi(walk, frame->signal_frame);
    if (step == STEP_NO_TABLE && rules == UNWIND_ALL_RULES && !made_up)
        step = walk_step_rules(walk, frame->is_call_site, &how);
    if (step != STEP_DONE)
        return made_up ? STEP_OUTERMOST : step;

    struct registers registers;
    unw_word_t pc;
    if (unw_get_reg(&walk->cursor, UNW_REG_IP, &pc) || unw_get_reg(&walk->cursor, UNW_REG_SP, sp))
        return STEP_UNREADABLE;
    pc += walk->adjusted;
    /* A null pointer may have been called when the signal came; elsewhere null marks the end. */
    if (!pc && !frame->signal_frame)
        return STEP_OUTERMOST;
    walk->stepped = true;
    *next = current_frame(walk, frame, pc, how);
    next->is_call_site = next->is_call_site && !injected;
    if (made_up && !unwinder_facts(walk->unwinder, walk->thread, pc)->after_call)
        return STEP_OUTERMOST;
    if (is_made_up(next, frame) || next->signal_frame) {
        walk_registers(walk, &registers);
        if (!walk_start(walk, &registers, false))
            return STEP_UNREADABLE;
    }
    return STEP_DONE;
}

static struct error *walk_out(struct walk *walk, enum unwind_rules rules, bool parked,
                              size_t max_frames, struct stack *stack)
{
    struct progress progress = {.sp = walk->registers.value[arch_sp], .next_mark = 16};
    struct frame frame =
        current_frame(walk, NULL, walk->registers.value[arch_pc] + walk->adjusted, FRAME_REGISTERS);
    frame.is_call_site = parked;
    bool made_up = false;
    size_t capacity = 0;
    for (;;) {
        if (max_frames && stack->count == max_frames) {
            finish(stack, UNWIND_LIMIT, NULL);
            return NULL;
        }
        struct error *error = append(walk, stack, &capacity, &frame);
        if (error)
            return error;

        struct frame next;
        uint64_t sp;
        enum step step = step_out(walk, &frame, made_up, rules, &next, &sp);
        if (step != STEP_DONE) {
            finish_at_step(walk, stack, &frame, step, rules);
            return NULL;
        }
        const char *problem = check_progress(walk, &progress, &frame, stack->count, next.pc, sp);
        if (problem) {
            finish(stack, UNWIND_STOPPED, problem);
            return NULL;
        }
        stack->frames[stack->count - 1].cfa = sp;
        /* Who asks for tables alone wants to know that they hold to the end. */
        made_up = rules == UNWIND_ALL_RULES && is_made_up(&next, &frame);
        frame = next;
    }
}

static struct error *unwind(struct unwinder *unwinder, const struct thread_snapshot *thread,
                            enum unwind_rules rules, bool parked, size_t max_frames,
                            struct stack *ret)
{
    struct walk walk = {.unwinder = unwinder, .thread = thread};
    *ret = (struct stack){0};
    if (!register_known(&thread->registers, arch_pc) ||
        !register_known(&thread->registers, arch_sp)) {
        finish(ret, UNWIND_STOPPED, "its registers are not known");
        return NULL;
    }
    if (!walk_start(&walk, &thread->registers, parked)) {
        finish(ret, UNWIND_STOPPED, reason_unreadable);
        return NULL;
    }
    struct error *error = walk_out(&walk, rules, parked, max_frames, ret);
    ret->live = walk.live;
    if (error)
        stack_deinit(ret);
    return error;
}

struct error *unwind_thread(struct unwinder *unwinder, const struct thread_snapshot *thread,
                            enum unwind_rules rules, size_t max_frames, struct stack *ret)
{
    struct error *error = unwind(unwinder, thread, rules, false, max_frames, ret);
    if (!error && rules == UNWIND_ALL_RULES) {
        stack_keep(unwinder->snapshot->process, thread, ret);
        stack_recall(unwinder, thread, max_frames, ret);
    }
    return error;
}

struct error *unwind_parked(struct unwinder *unwinder, const struct thread_snapshot *parked,
                            size_t max_frames, struct stack *ret)
{
    return unwind(unwinder, parked, UNWIND_ALL_RULES, true, max_frames, ret);
}
