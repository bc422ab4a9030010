#include "src/crepl/thread_block.h"

#include "injector/burst.h"

#include <stdio.h>

/*
 * The vector's address is the second word behind the thread pointer, of which the first is the
 * thread pointer itself: glibc 2.3 and later (sysdeps/x86_64/nptl/tls.h, tcbhead_t; dl-tls.h,
 * dtv_t: entries of two words, the count in the one before the first), musl 1.1.10 and later
 * (src/internal/pthread_impl.h, struct pthread; entries of one word, the count in the first).
 */
#define WORD 8
#define VECTOR_AT WORD
/* No program has as many modules with such variables. */
#define MODULES_MAX 65536
/* TLS_DTV_UNALLOCATED of glibc: the thread has not used any yet. */
#define UNALLOCATED UINT64_MAX

static bool read_word(const struct thread_block_question *question, uint64_t address, uint64_t *ret)
{
    return remote_read(question->process, address, ret, sizeof(*ret)) == sizeof(*ret);
}

/* 0: none. */
static uint64_t read_entry(const struct thread_block_question *question, uint64_t vector)
{
    uint64_t count, block, size = question->is_glibc ? 2 * WORD : WORD;
    if (!read_word(question, question->is_glibc ? vector - size : vector, &count) ||
        question->module > count || count > MODULES_MAX ||
        !read_word(question, vector + question->module * size, &block) || block == UNALLOCATED)
        return 0;
    return block;
}

static struct error *say(char **why, const char *format, pid_t tid)
{
    char text[128];
    snprintf(text, sizeof(text), format, tid);
    return asprintf(why, "%s", text) < 0 ? error_no_memory() : NULL;
}

static struct error *find_block(const struct thread_block_question *question,
                                const struct burst_thread *thread, uint64_t *ret, char **why)
{
    if (thread->outcome == BURST_REFUSED)
        return process_explain_refusal(question->process, "the thread cannot be stopped",
                                       thread->errnum);
    if (thread->outcome == BURST_GONE)
        return say(why, "thread %d has ended", question->tid);
    if (thread->outcome != BURST_STOPPED || !arch_regset_is_native(&thread->regset))
        return say(why, "thread %d did not stop in time", question->tid);
    uint64_t pointer = arch_regset_thread_pointer(&thread->regset), self, vector;
    if (!read_word(question, pointer, &self) || self != pointer ||
        !read_word(question, pointer + VECTOR_AT, &vector))
        return say(why, "thread %d is none of the C library", question->tid);
    *ret = read_entry(question, vector);
    return *ret ? NULL : say(why, "thread %d has none of it yet", question->tid);
}

struct error *thread_block_find(const struct thread_block_question *question, uint64_t *ret,
                                char **why)
{
    const struct burst_request request = {
        .tids = &question->tid,
        .urgent = &(const bool){true},
        .count = 1,
        .maps = question->maps,
        .max_pause_us = question->max_pause_us,
    };
    struct burst burst;
    *ret = 0;
    *why = NULL;
    struct error *error = burst_run(question->process, &request, &burst);
    if (error)
        return error;
    error = find_block(question, &burst.threads[0], ret, why);
    burst_deinit(&burst);
    return error;
}
