#include "src/kept_stacks.h"

#include <stdlib.h>

bool kept_stacks_wanted(const struct report *before, const struct dump_options *options)
{
    /* What is wanted of all at one instant, and values, which others may write: those are new each
       time. */
    return !options->freeze && !options->locals && layout_is_sure(before->layout);
}

bool kept_stacks_last(const struct report_thread *thread)
{
    /* It ran while it was unwound. */
    if (thread->live)
        return false;
    /* Code outside of files may get another name meanwhile, or its first one. */
    for (size_t i = 0; i < thread->frame_count; i++) {
        if (!thread->frames[i].location.module)
            return false;
    }
    return thread->frame_count > 0;
}

struct error *kept_stacks_list(const struct report *before, bool **ret)
{
    bool *known = calloc(before->thread_count + 1, sizeof(*known));
    if (!known)
        return error_no_memory();
    for (size_t i = 0; i < before->thread_count; i++)
        known[i] = before->threads[i].lasting;
    *ret = known;
    return NULL;
}

/* The threads of a report stand in the order of its snapshot's: ascending by tid. */
static struct report_thread *next_of_tid(const struct report *report, size_t *at, pid_t tid)
{
    const struct thread_snapshot *threads = report->snapshot->threads;
    while (*at < report->thread_count && threads[*at].tid < tid)
        ++*at;
    return *at < report->thread_count && threads[*at].tid == tid ? &report->threads[*at] : NULL;
}

void kept_stacks_find(struct report *report, const struct report *before)
{
    /* In another layout the frames have other names: those threads are unwound from their memory,
       which is as it was. */
    if (!before || before->layout != report->layout)
        return;
    for (size_t i = 0, at = 0; i < report->thread_count; i++) {
        const struct thread_snapshot *thread = &report->snapshot->threads[i];
        report->threads[i].kept = thread->slept_on && next_of_tid(before, &at, thread->tid);
    }
}

void kept_stacks_move(struct report *report, struct report *before)
{
    for (size_t i = 0, at = 0; i < report->thread_count; i++) {
        struct report_thread *thread = &report->threads[i];
        if (!thread->kept)
            continue;
        struct report_thread *from = next_of_tid(before, &at, report->snapshot->threads[i].tid);
        *thread = *from;
        thread->thread = &report->snapshot->threads[i];
        thread->kept = true;
        from->frames = NULL;
        from->frame_count = 0;
        from->python = NULL;
    }
}
