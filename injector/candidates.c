/* In which order threads are tried: see safepoint_rank. */
#include "injector/cleanup.h"
#include "injector/idle_calls.h"
#include "injector/safepoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* State and scheduling policy from stat (proc(5), fields 3 and 41). */
static bool read_state(const struct process *process, pid_t tid, char *state, unsigned *policy)
{
    CLEANUP_FREE char *text = NULL;
    if (process_read_file(process, tid, "stat", &text) <= 0)
        return false;
    char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1, " %c", state) != 1)
        return false;
    for (int field = 3; field < 41 && p; field++)
        p = strchr(p + 2, ' ');
    *policy = 0;
    if (p)
        sscanf(p, " %u", policy);
    return true;
}

static int score_call(const struct process *process, pid_t tid)
{
    CLEANUP_FREE char *text = NULL;
    long number;
    if (process_read_file(process, tid, "syscall", &text) <= 0 || sscanf(text, "%ld", &number) != 1)
        return 30; /* "running" */
    if (is_idle_call(number) || is_read_call(number))
        return may_give_eintr(number) ? 5 : 0;
    return number == SYS_futex ? 10 : 20;
}

static int score_thread(const struct process *process, pid_t tid, size_t *filtered)
{
    char state, seccomp[16];
    unsigned policy;
    if (!read_state(process, tid, &state, &policy) || !strchr("SDR", state))
        return CANDIDATE_UNFIT;
    int score = state == 'S' ? score_call(process, tid) : 30;
    if (state == 'D')
        score += 200;
    /* Of two that are as good the first thread: it has what it needs of malloc already (an arena).
     */
    if (tid == process->pid)
        score -= 15;
    if (policy)
        score += 100; /* anything but SCHED_OTHER: the new thread would inherit it */
    if (process_status_field(process, tid, "Seccomp", seccomp, sizeof(seccomp)) &&
        seccomp[0] != '0') {
        score += 50;
        ++*filtered;
    }
    return score;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return (x->score > y->score) - (x->score < y->score);
    return (x->tid > y->tid) - (x->tid < y->tid);
}

struct error *safepoint_rank(const struct process *process, struct candidate **ret, size_t *count,
                             size_t *filtered)
{
    CLEANUP_FREE pid_t *tids = NULL;
    size_t ignored = 0;
    struct error *error = process_threads(process, &tids, count);
    if (error)
        return error;
    *ret = calloc(*count, sizeof(**ret));
    if (!*ret)
        return error_no_memory();
    if (filtered)
        *filtered = 0;
    for (size_t i = 0; i < *count; i++)
        (*ret)[i] = (struct candidate){
            tids[i], score_thread(process, tids[i], filtered ? filtered : &ignored)};
    qsort(*ret, *count, sizeof(**ret), compare_candidates);
    return NULL;
}
