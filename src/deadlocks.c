/*
 * Who waits for whom. Each thread waits for one thing at most, so following the owners from a
 * thread on is a path without forks: it ends at somebody who does not wait for anybody, or runs
 * into a circle.
 */
#include "injector/cleanup.h"
#include "src/waits_private.h"

#include <stdlib.h>

/* A blocker is worth a line from this many threads behind it on. */
#define BLOCKER_FROM 2

struct graph {
    const struct search *search;
    struct waits *waits;
    size_t *next;   /* per thread: whom it waits for; NO_THREAD: nobody in this process */
    size_t *behind; /* per thread: who waits for it, directly or not; not around a circle */
    size_t *seen;   /* per thread: the walk that came by, counted from 1 */
};

static size_t next_of(const struct wait *wait)
{
    return wait->verified && wait->owner.kind == OWNER_THREAD ? wait->owner.index : NO_THREAD;
}

/*
 * All were asleep when the snapshot was taken or watched; are they still, after all was read? Who
 * waits for the GIL wakes up to look whether it is free: that it is not, the sleep of its holder
 * says, the next one here.
 */
static bool sleeps_on(const struct graph *graph, size_t start)
{
    const struct report *report = graph->search->report;
    size_t i = start;
    do {
        if (graph->waits->waits[i].kind != WAIT_GIL &&
            !snapshot_still_asleep(report->snapshot, report->threads[i].thread))
            return false;
        i = graph->next[i];
    } while (i != start);
    return true;
}

static struct error *add_deadlock(struct graph *graph, size_t start)
{
    struct waits *waits = graph->waits;
    size_t count = 0, lowest = start, i = start;
    do {
        count++;
        lowest = i < lowest ? i : lowest;
        i = graph->next[i];
    } while (i != start);
    struct deadlock *larger =
        reallocarray(waits->deadlocks, waits->deadlock_count + 1, sizeof(*larger));
    if (!larger)
        return error_no_memory();
    waits->deadlocks = larger;
    size_t *threads = calloc(count, sizeof(*threads));
    if (!threads)
        return error_no_memory();
    i = lowest;
    for (size_t j = 0; j < count; j++, i = graph->next[i])
        threads[j] = i;
    waits->deadlocks[waits->deadlock_count++] = (struct deadlock){threads, count, 0};
    return NULL;
}

static struct error *find_circles(struct graph *graph)
{
    for (size_t start = 0; start < graph->waits->count; start++) {
        size_t i = start;
        while (i != NO_THREAD && !graph->seen[i]) {
            graph->seen[i] = start + 1;
            i = graph->next[i];
        }
        if (i == NO_THREAD || graph->seen[i] != start + 1)
            continue;
        struct error *error = sleeps_on(graph, i) ? add_deadlock(graph, i) : NULL;
        if (error)
            return error;
    }
    return NULL;
}

/* Adds up who waits, from those nobody waits for inwards. */
static struct error *count_behind(struct graph *graph)
{
    size_t count = graph->waits->count, used = 0;
    CLEANUP_FREE size_t *queue = calloc(count + 1, sizeof(*queue));
    CLEANUP_FREE size_t *waiters = calloc(count + 1, sizeof(*waiters));
    if (!queue || !waiters)
        return error_no_memory();
    for (size_t i = 0; i < count; i++)
        if (graph->next[i] != NO_THREAD)
            waiters[graph->next[i]]++;
    for (size_t i = 0; i < count; i++)
        if (!waiters[i])
            queue[used++] = i;
    for (size_t done = 0; done < used; done++) {
        size_t i = queue[done], next = graph->next[i];
        if (next == NO_THREAD)
            continue;
        graph->behind[next] += graph->behind[i] + 1;
        if (--waiters[next] == 0)
            queue[used++] = next;
    }
    for (size_t i = 0; i < graph->waits->deadlock_count; i++) {
        struct deadlock *deadlock = &graph->waits->deadlocks[i];
        for (size_t j = 0; j < deadlock->count; j++)
            deadlock->behind += graph->behind[deadlock->threads[j]];
    }
    return NULL;
}

static struct error *add_blocker(struct waits *waits, const struct wait_owner *who, size_t behind)
{
    for (size_t i = 0; i < waits->blocker_count; i++) {
        struct blocker *blocker = &waits->blockers[i];
        if (blocker->who.kind == who->kind && blocker->who.tid == who->tid &&
            blocker->who.pid == who->pid) {
            blocker->behind += behind;
            return NULL;
        }
    }
    struct blocker *larger =
        reallocarray(waits->blockers, waits->blocker_count + 1, sizeof(*larger));
    if (!larger)
        return error_no_memory();
    waits->blockers = larger;
    waits->blockers[waits->blocker_count++] = (struct blocker){*who, behind};
    return NULL;
}

/* Where a path ends: at a thread that waits for nobody here, or at somebody elsewhere. */
static struct error *find_blockers(struct graph *graph)
{
    for (size_t i = 0; i < graph->waits->count; i++) {
        const struct wait *wait = &graph->waits->waits[i];
        if (graph->next[i] != NO_THREAD) {
            if (graph->next[graph->next[i]] != NO_THREAD)
                continue;
            const struct wait *root = &graph->waits->waits[graph->next[i]];
            if (root->verified && root->owner.kind != OWNER_UNKNOWN)
                continue;
        } else if (!wait->verified || wait->owner.kind == OWNER_UNKNOWN) {
            continue;
        }
        struct error *error = add_blocker(graph->waits, &wait->owner, graph->behind[i] + 1);
        if (error)
            return error;
    }
    return NULL;
}

static int compare_blockers(const void *left, const void *right)
{
    const struct blocker *a = left, *b = right;
    return a->behind > b->behind ? -1 : a->behind < b->behind;
}

static void sort_blockers(struct waits *waits)
{
    size_t kept = 0;
    for (size_t i = 0; i < waits->blocker_count; i++)
        if (waits->blockers[i].behind >= BLOCKER_FROM)
            waits->blockers[kept++] = waits->blockers[i];
    waits->blocker_count = kept;
    if (kept)
        qsort(waits->blockers, kept, sizeof(*waits->blockers), compare_blockers);
}

struct error *waits_find_deadlocks(const struct search *search)
{
    struct waits *waits = search->waits;
    size_t count = waits->count + 1;
    CLEANUP_FREE size_t *next = calloc(count, sizeof(*next));
    CLEANUP_FREE size_t *behind = calloc(count, sizeof(*behind));
    CLEANUP_FREE size_t *seen = calloc(count, sizeof(*seen));
    if (!next || !behind || !seen)
        return error_no_memory();
    for (size_t i = 0; i < waits->count; i++)
        next[i] = next_of(&waits->waits[i]);
    struct graph graph = {search, waits, next, behind, seen};
    struct error *error = find_circles(&graph);
    if (!error)
        error = count_behind(&graph);
    if (!error)
        error = find_blockers(&graph);
    if (!error)
        sort_blockers(waits);
    return error;
}
