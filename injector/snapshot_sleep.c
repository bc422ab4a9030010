/* The part of snapshot.h about sleep that goes on: during one look, and from one to the next. */
#include "injector/recording.h"
#include "injector/snapshot_private.h"

#include <string.h>

/* --- During one look. --- */

/* The same call of the same code: a call that the kernel goes on with may have another number
   (restart_syscall(2)), but has the same registers. */
static bool shows_same_call(const struct thread_snapshot *a, const struct thread_snapshot *b)
{
    return a->in_syscall && b->in_syscall &&
           a->registers.value[arch_sp] == b->registers.value[arch_sp] &&
           a->registers.value[arch_pc] == b->registers.value[arch_pc] &&
           !memcmp(a->syscall_arguments, b->syscall_arguments, sizeof(a->syscall_arguments));
}

static bool begin_watch(struct snapshot *snapshot, const struct thread_snapshot *thread)
{
    struct look *look = &snapshot->pages->looks[thread - snapshot->threads];
    struct thread_snapshot now = {0};
    if (thread->how == THREAD_BLOCKED)
        return true;
    if (thread->how == THREAD_FROZEN && look_at_thread(snapshot->process, thread->tid, look) &&
        look->asleep && look_registers(look, &now) && shows_same_call(thread, &now))
        return true;
    look->asleep = false;
    return false;
}

/* These questions have their answers in a recording: `size` tells them apart. */
enum { ASKED_TO_WATCH = 0, ASKED_AGAIN = 1, ASKED_FROM_THE_SNAPSHOT_ON = 2 };

static bool recall_sleep(const struct snapshot *snapshot, const struct question *question)
{
    struct answer answer;
    return recording_next(snapshot->process->recording, question, &answer) && answer.size == 1 &&
           answer.bytes[0];
}

static bool keep_sleep(const struct snapshot *snapshot, const struct question *question,
                       bool asleep)
{
    const uint8_t byte = asleep;
    if (snapshot->process->recording)
        recording_add(snapshot->process->recording, question, 0, &byte, sizeof(byte));
    return asleep;
}

bool snapshot_watch(struct snapshot *snapshot, const struct thread_snapshot *thread)
{
    const struct question question = {QUESTION_ASLEEP, (uint64_t)thread->tid, ASKED_TO_WATCH, NULL};
    if (snapshot->process->saved)
        return recall_sleep(snapshot, &question);
    return keep_sleep(snapshot, &question, begin_watch(snapshot, thread));
}

static bool ask_again(const struct snapshot *snapshot, const struct thread_snapshot *thread,
                      uint64_t asker)
{
    const struct question question = {QUESTION_ASLEEP, (uint64_t)thread->tid, asker, NULL};
    if (snapshot->process->saved)
        return recall_sleep(snapshot, &question);
    return keep_sleep(
        snapshot, &question,
        look_proves_sleep(snapshot->process, &snapshot->pages->looks[thread - snapshot->threads]));
}

bool snapshot_still_asleep(const struct snapshot *snapshot, const struct thread_snapshot *thread)
{
    return ask_again(snapshot, thread, ASKED_AGAIN);
}

bool snapshot_slept_through(const struct snapshot *snapshot, const struct thread_snapshot *thread)
{
    return thread->how == THREAD_BLOCKED && ask_again(snapshot, thread, ASKED_FROM_THE_SNAPSHOT_ON);
}

/* --- From one look to the next. --- */

bool snapshot_slept_on(const struct snapshot *before, const struct thread_snapshot *thread)
{
    size_t index = (size_t)(thread - before->threads);
    return sleepers_slept_on(before->pages->sleepers, index, before->process,
                             &before->pages->looks[index]);
}

void snapshot_take_over(const struct thread_snapshot *thread, struct thread_snapshot *ret)
{
    *ret = *thread;
    ret->stack = (struct memory_slice){0};
    ret->problem = NULL;
    ret->paused = false;
    ret->slept_on = true;
}

void snapshot_refresh_names(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        struct thread_snapshot *thread = &snapshot->threads[i];
        if (thread->slept_on)
            look_name(snapshot->process, &snapshot->pages->looks[i], thread->name,
                      sizeof(thread->name));
    }
}

bool snapshot_follows(const struct snapshot *snapshot, const struct snapshot *before)
{
    return before && before->pages->sleepers && maps_same_code(before->maps, snapshot->maps);
}

/* The thread with that id, where `*at` has come to in a list that ascends too; or NULL. */
static const struct thread_snapshot *next_of_tid(const struct snapshot *before, size_t *at,
                                                 pid_t tid)
{
    while (*at < before->thread_count && before->threads[*at].tid < tid)
        ++*at;
    return *at < before->thread_count && before->threads[*at].tid == tid ? &before->threads[*at]
                                                                         : NULL;
}

const struct thread_snapshot *snapshot_sleeper_before(const struct snapshot_options *options,
                                                      pid_t tid, size_t *at)
{
    const struct thread_snapshot *thread = next_of_tid(options->before, at, tid);
    bool may_have_slept = thread && thread->how == THREAD_BLOCKED && options->frames_known[*at] &&
                          sleepers_can_watch(options->before->process, tid);
    return may_have_slept ? thread : NULL;
}

struct error *snapshot_prepare_next(struct snapshot *snapshot, struct snapshot *before)
{
    struct sleepers *sleepers = sleepers_create(snapshot->thread_count);
    if (!sleepers)
        return error_no_memory();
    snapshot->pages->sleepers = sleepers;
    for (size_t i = 0, j = 0; i < snapshot->thread_count; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[i];
        if (thread->slept_on && next_of_tid(before, &j, thread->tid))
            sleepers_pass_on(before->pages->sleepers, j, sleepers, i);
    }
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[i];
        if (thread->how == THREAD_BLOCKED && !thread->slept_on &&
            sleepers_can_watch(snapshot->process, thread->tid))
            sleepers_keep(sleepers, i, snapshot->process, &snapshot->pages->looks[i]);
    }
    return NULL;
}
