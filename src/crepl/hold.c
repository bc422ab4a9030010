#include "src/crepl/hold.h"

#include "injector/burst.h"
#include "injector/cleanup.h"
#include "payload/manhole.h"
#include "src/locate.h"
#include "src/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is done while they stand. */
struct errand {
    struct loader *loader;
    uint64_t address;
    struct session_answer *answer;
    struct error *error;
    bool ran;
};

/* The threads of the target, and which of them are the manhole's. */
struct choice {
    pid_t *held, *spared;
    bool *urgent;
    size_t held_count, spared_count;
};

static void free_choice(struct choice *choice)
{
    free(choice->held);
    free(choice->spared);
    free(choice->urgent);
}
#define CLEANUP_CHOICE __attribute__((cleanup(free_choice)))

static bool is_among(const pid_t *tids, size_t count, pid_t tid)
{
    for (size_t i = 0; i < count; i++) {
        if (tids[i] == tid)
            return true;
    }
    return false;
}

static struct error *choose(const struct process *process, struct choice *ret)
{
    pid_t own[MANHOLE_THREADS_MAX];
    size_t count, own_count;
    /* By their ids: any thread of the program may have a name like theirs. */
    if (!locate_threads(process, own, &own_count))
        return error_create(ERROR_PARTIAL, 0,
                            "the manhole's own threads cannot be told from the program's: nothing "
                            "was stopped");
    struct error *error = process_threads(process, &ret->held, &count);
    if (error)
        return error;
    ret->spared = calloc(count, sizeof(*ret->spared));
    ret->urgent = calloc(count, sizeof(*ret->urgent));
    if (!ret->spared || !ret->urgent)
        return error_no_memory();
    for (size_t i = 0; i < count; i++) {
        if (is_among(own, own_count, ret->held[i]))
            ret->spared[ret->spared_count++] = ret->held[i];
        else
            ret->held[ret->held_count++] = ret->held[i];
    }
    return NULL;
}

static void run_errand(void *context)
{
    struct errand *errand = context;
    errand->ran = true;
    errand->error = loader_execute(errand->loader, errand->address, errand->answer);
}

static void fail(struct session_answer *ret, const char *text)
{
    *ret = (struct session_answer){.outcome = MANHOLE_FAILED};
    message_sanitize(text, ret->text, sizeof(ret->text));
}

/* Why the code did not run. */
static struct error *explain(const struct process *process, const struct burst *burst,
                             uint64_t max_pause_us, struct session_answer *ret)
{
    char text[256];
    for (size_t i = 0; i < burst->count; i++) {
        const struct burst_thread *thread = &burst->threads[i];
        if (thread->outcome == BURST_REFUSED)
            return process_explain_refusal(process, "threads cannot be stopped", thread->errnum);
        if (thread->outcome != BURST_LATE && thread->outcome != BURST_CUT)
            continue;
        snprintf(text, sizeof(text),
                 "thread %d did not stop in time (%.3g ms for all): all have been let go, and "
                 "nothing was evaluated; try again, or with a longer --max-pause",
                 thread->tid, (double)max_pause_us / 1000);
        fail(ret, text);
        return NULL;
    }
    fail(ret, "not all threads could be stopped; all have been let go, and nothing was evaluated");
    return NULL;
}

static struct error *judge(const struct process *process, const struct burst *burst,
                           const struct errand *errand, uint64_t max_pause_us,
                           struct hold_report *report)
{
    if (!errand->ran)
        return explain(process, burst, max_pause_us, errand->answer);
    if (errand->error || errand->answer->outcome != MANHOLE_DONE)
        return errand->error;
    for (size_t i = 0; i < burst->count; i++)
        report->threads += burst->threads[i].outcome == BURST_STOPPED;
    report->pause_us = burst->pause_us;
    if (!burst->held)
        fail(errand->answer, "the threads had to be let go before the value was copied; try again, "
                             "or with a longer --max-pause");
    return NULL;
}

struct error *hold_execute(struct loader *loader, uint64_t address, struct hold_report *report,
                           struct session_answer *ret)
{
    const struct process *process = loader->session->process;
    uint64_t max_pause_us = loader->session->max_pause_us;
    struct errand errand = {.loader = loader, .address = address, .answer = ret};
    CLEANUP_CHOICE struct choice choice = {0};
    *report = (struct hold_report){0};
    struct error *error = choose(process, &choice);
    if (error)
        return error;
    const struct burst_request request = {
        .tids = choice.held,
        .urgent = choice.urgent,
        .count = choice.held_count,
        .whole_process = true,
        .max_pause_us = max_pause_us,
        .held = run_errand,
        .context = &errand,
        .spared = choice.spared,
        .spared_count = choice.spared_count,
    };
    struct burst burst;
    error = burst_run(process, &request, &burst);
    if (error)
        return error;
    error = judge(process, &burst, &errand, max_pause_us, report);
    burst_deinit(&burst);
    return error;
}
