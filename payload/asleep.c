#include "payload/asleep.h"

#include <string.h>

/* A thread that wakes now and then is caught asleep by one of so many looks. */
#define LOOKS 4

/* The kernel makes sure that the place it prints is that of a thread off the processor
   (lib/syscall.c, task_current_syscall); of one that has no stack of its own it prints zeros. */
static bool sleeps(const struct proc_thread *thread)
{
    return thread->call >= -1 && thread->pc;
}

static bool same_call(const struct proc_thread *one, const struct proc_thread *other)
{
    return one->call == other->call && one->pc == other->pc && one->sp == other->sp &&
           !memcmp(one->arguments, other->arguments, sizeof(one->arguments));
}

/*
 * The other way round than at first: a run before the counter is read shows in it, one that goes on
 * shows in the call.
 */
static bool slept_since(pid_t tid, const struct proc_thread *thread, uint64_t runs)
{
    struct proc_thread now;
    proc_look_at_call(tid, &now);
    return same_call(&now, thread) && proc_thread_runs(tid) == runs;
}

enum asleep asleep_look(struct unwinder *unwinder, pid_t tid, struct proc_thread *thread,
                        struct trace *trace)
{
    enum asleep result = ASLEEP_RUNNING;
    for (unsigned i = 0; i < LOOKS; i++) {
        uint64_t runs = proc_thread_runs(tid);
        trace->count = 0;
        trace->end = UNWIND_OUTERMOST;
        if (!proc_look_at_thread(tid, thread) || thread->state == 'Z' || thread->state == 'X')
            return ASLEEP_GONE;
        result = thread->call == -2 ? ASLEEP_RUNNING : ASLEEP_HIDDEN;
        if (!runs || !sleeps(thread))
            continue;
        struct registers registers = {.known = 0};
        register_set(&registers, arch_register_pc, thread->pc);
        register_set(&registers, arch_register_sp, thread->sp);
        for (unsigned j = 0; j < 6 && thread->call >= 0; j++)
            register_set(&registers, arch_call_arguments[j], thread->arguments[j]);
        unwind(unwinder, &registers, trace);
        if (slept_since(tid, thread, runs))
            return ASLEEP_PROVED;
        result = ASLEEP_RUNNING;
    }
    trace->count = 0;
    return result;
}
