/*
 * Stacks in a recording. A saved target is unwound anew, with the files that are here; only where
 * some are not, what was found where they were is better than what can be found without them.
 */
#include "injector/unwind_private.h"

#include "injector/recording.h"
#include "injector/snapshot_code.h"

#include <string.h>

void stack_keep(const struct process *process, const struct thread_snapshot *thread,
                const struct stack *stack)
{
    const struct question question = {.kind = QUESTION_STACK, .number = (uint64_t)thread->tid};
    if (!process->recording || process->saved)
        return;
    struct byte_writer writer = {0};
    stack_encode(stack, &writer);
    if (!writer.failed)
        recording_add(process->recording, &question, 0, writer.bytes, writer.size);
    byte_writer_deinit(&writer);
}

/* True when a frame is in a file that is not here. */
static bool lacks_file(struct unwinder *unwinder, const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct module *module =
            modules_find(unwinder->modules, frame_lookup_pc(&stack->frames[i]));
        if (module && !module->image)
            return true;
    }
    return false;
}

static void cut(struct stack *stack, size_t max_frames)
{
    if (!max_frames || stack->count <= max_frames)
        return;
    stack->count = max_frames;
    stack->end = UNWIND_LIMIT;
    stack->reason = NULL;
}

void stack_recall(struct unwinder *unwinder, const struct thread_snapshot *thread,
                  size_t max_frames, struct stack *stack)
{
    const struct process *process = unwinder->snapshot->process;
    const struct question question = {.kind = QUESTION_STACK, .number = (uint64_t)thread->tid};
    struct answer answer;
    if (!process->saved || !recording_last(process->recording, &question, &answer))
        return;
    struct byte_reader reader = {.at = answer.bytes, .left = answer.size};
    struct stack kept;
    if (!stack_decode(&reader, &kept))
        return;
    /* Whether the thread had gone on when something was read, only they knew there. */
    stack->live = kept.live;
    if (!lacks_file(unwinder, &kept)) {
        stack_deinit(&kept);
        return;
    }
    stack_deinit(stack);
    *stack = kept;
    stack->saved = true;
    cut(stack, max_frames);
}
