#include "src/value_frame.h"

#include "injector/arch/arch.h"

/* No honest value takes more. */
#define STEPS_PER_VALUE 100000

void value_begin(struct value_thread *thread)
{
    thread->live = false;
    thread->steps_left = STEPS_PER_VALUE;
}

static size_t read_memory(struct value_thread *thread, uint64_t address, void *buffer, size_t size)
{
    if (!thread->snapshot)
        return remote_read(thread->process, address, buffer, size);
    return snapshot_read(thread->snapshot, thread->thread, address, buffer, size, &thread->live);
}

bool value_frame_read(const struct value_frame *frame, uint64_t address, void *buffer, size_t size)
{
    struct value_thread *thread = frame->thread;
    if (read_memory(thread, address, buffer, size) == size)
        return true;
    struct module *module = modules_find(thread->modules, address);
    return module && module_code_at(module, address, buffer, size);
}

/*
 * The registers that mean something in the frame: not those that a call may have changed, nor those
 * that the system call will set. (Of a stopped thread the kernel shows a code of its own there.)
 */
static uint64_t meaningful(const struct value_frame *frame)
{
    if (frame->is_caller)
        return arch_kept_by_calls;
    return frame->in_syscall ? ~arch_set_by_syscall : UINT64_MAX;
}

bool value_frame_register(const struct value_frame *frame, uint64_t number, uint64_t *ret)
{
    if (!frame->registers || number >= arch_register_count || !(meaningful(frame) >> number & 1))
        return false;
    if (register_known(frame->registers, (unsigned)number)) {
        *ret = frame->registers->value[number];
        return true;
    }
    if (!register_known(&frame->thread->thread->registers, (unsigned)number))
        frame->thread->needs_register = true;
    return false;
}
