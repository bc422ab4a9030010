/* The threads of an interpreter, and its lock. */
#include "injector/cleanup.h"
#include "injector/python.h"

#include <stdlib.h>
#include <string.h>

/* No honest process has more; a list that is longer goes round in a circle. */
#define INTERPRETERS_MAX 4096
#define THREADS_MAX 100000

struct listing {
    const struct python *python;
    const struct python_memory *memory;
    const pid_t *tids; /* ascending */
    pid_t *inner;      /* of each, its id in the target's pid namespace; NULL: the same */
    size_t tid_count;
    struct python_threads *result;
    size_t capacity;
};

static bool word_at(const struct listing *listing, uint64_t structure, uint32_t offset,
                    uint64_t *ret)
{
    return structure && python_read_word(listing->memory, structure + offset, ret);
}

static int compare_ids(const void *left, const void *right)
{
    const pid_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static pid_t find_tid(const struct listing *listing, uint64_t inner)
{
    pid_t id = inner <= INT32_MAX ? (pid_t)inner : 0;
    for (size_t i = 0; listing->inner && i < listing->tid_count; i++) {
        if (id && listing->inner[i] == id)
            return listing->tids[i];
    }
    return !listing->inner && id && listing->tid_count &&
                   bsearch(&id, listing->tids, listing->tid_count, sizeof(id), compare_ids)
               ? id
               : 0;
}

/*
 * The id of a thread in what pthread_self(3) gives it, the address of the C library's structure for
 * it, which begins with its own address. glibc: struct pthread, nptl/descr.h, behind tcbhead_t
 * (sysdeps/x86_64/nptl/tls.h) and a list; the same from 2.5 to 2.42. musl: struct pthread,
 * src/internal/pthread_impl.h, 1.1.10 to 1.2.5.
 */
#define GLIBC_SELF_AGAIN 16
#define GLIBC_THREAD_ID 720
#define MUSL_THREAD_ID 48

static uint64_t id_in_library(const struct listing *listing, uint64_t pthread)
{
    uint64_t self, again;
    uint32_t id;
    if (!word_at(listing, pthread, 0, &self) || self != pthread ||
        !word_at(listing, pthread, GLIBC_SELF_AGAIN, &again))
        return 0;
    uint64_t place = pthread + (again == pthread ? GLIBC_THREAD_ID : MUSL_THREAD_ID);
    return python_read(listing->memory, place, &id, sizeof(id)) ? id : 0;
}

/* By the id that the interpreter noted (3.11 and later), else by its pthread_t. */
static pid_t tid_of(const struct listing *listing, uint64_t thread)
{
    const struct python_layout *layout = &listing->python->layout;
    uint64_t native = 0, pthread = 0;
    pid_t tid = 0;
    if (layout->thread_native_id && word_at(listing, thread, layout->thread_native_id, &native))
        tid = find_tid(listing, native);
    if (!tid && word_at(listing, thread, layout->thread_id, &pthread))
        tid = find_tid(listing, id_in_library(listing, pthread));
    return tid;
}

static struct error *append(struct listing *listing, const struct python_thread *thread)
{
    struct python_threads *result = listing->result;
    if (result->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 16;
        struct python_thread *items = reallocarray(result->items, capacity, sizeof(*items));
        if (!items)
            return error_no_memory();
        result->items = items;
        listing->capacity = capacity;
    }
    result->items[result->count++] = *thread;
    return NULL;
}

#define TORN "the list of Python threads changed while it was read, or is damaged"

static struct error *list_threads(struct listing *listing, uint64_t interpreter, int64_t id)
{
    const struct python_layout *layout = &listing->python->layout;
    uint64_t thread = 0, previous, owner, before = 0;
    if (!word_at(listing, interpreter, layout->interpreter_threads, &thread))
        listing->result->problem = TORN;
    while (thread) {
        if (listing->result->count == THREADS_MAX ||
            !word_at(listing, thread, layout->thread_interpreter, &owner) || owner != interpreter ||
            !word_at(listing, thread, layout->thread_previous, &previous) || previous != before) {
            listing->result->problem = TORN;
            break;
        }
        const struct python_thread item = {tid_of(listing, thread), thread, interpreter, id};
        struct error *error = append(listing, &item);
        if (error)
            return error;
        before = thread;
        if (!word_at(listing, thread, layout->thread_next, &thread)) {
            listing->result->problem = TORN;
            break;
        }
    }
    return NULL;
}

static struct error *list_interpreters(struct listing *listing)
{
    const struct python *python = listing->python;
    uint64_t interpreter = 0;
    if (!word_at(listing, python->runtime, python->layout.runtime_interpreters, &interpreter))
        listing->result->problem = TORN;
    while (interpreter && !listing->result->problem) {
        uint64_t id;
        if (listing->result->interpreters == INTERPRETERS_MAX ||
            !word_at(listing, interpreter, python->layout.interpreter_id, &id)) {
            listing->result->problem = TORN;
            break;
        }
        listing->result->interpreters++;
        struct error *error = list_threads(listing, interpreter, (int64_t)id);
        if (error)
            return error;
        if (!word_at(listing, interpreter, python->layout.interpreter_next, &interpreter))
            listing->result->problem = TORN;
    }
    return NULL;
}

static int compare(const void *left, const void *right)
{
    const struct python_thread *a = left, *b = right;
    if (a->tid != b->tid)
        return a->tid < b->tid ? -1 : 1;
    return a->interpreter_id < b->interpreter_id ? -1 : a->interpreter_id > b->interpreter_id;
}

static struct error *read_inner_ids(struct listing *listing)
{
    const struct process *process = listing->python->process;
    if (!process_is_nested(process))
        return NULL;
    listing->inner = calloc(listing->tid_count + 1, sizeof(*listing->inner));
    if (!listing->inner)
        return error_no_memory();
    for (size_t i = 0; i < listing->tid_count; i++)
        listing->inner[i] = process_namespace_tid(process, listing->tids[i]);
    return NULL;
}

struct error *python_threads_read(const struct python *python, const struct python_memory *memory,
                                  const pid_t *tids, size_t tid_count, struct python_threads **ret)
{
    struct python_threads *result = calloc(1, sizeof(*result));
    if (!result)
        return error_no_memory();
    struct listing listing = {
        .python = python, .memory = memory, .tids = tids, .tid_count = tid_count, .result = result};
    struct error *error = python->problem[0] ? NULL : read_inner_ids(&listing);
    if (!error && !python->problem[0])
        error = list_interpreters(&listing);
    free(listing.inner);
    if (error) {
        python_threads_destroy(result);
        return error;
    }
    python_threads_sort(result);
    *ret = result;
    return NULL;
}

void python_threads_sort(struct python_threads *threads)
{
    if (threads->count)
        qsort(threads->items, threads->count, sizeof(*threads->items), compare);
}

uint64_t python_thread_native(const struct python *python, const struct python_memory *memory,
                              const struct python_thread *thread)
{
    uint64_t cframe;
    uint32_t offset = python->layout.thread_cframe;
    return offset && python_read_word(memory, thread->address + offset, &cframe) ? cframe : 0;
}

void python_threads_destroy(struct python_threads *threads)
{
    if (!threads)
        return;
    free(threads->items);
    free(threads);
}

const struct python_thread *python_thread_find(const struct python_threads *threads, pid_t tid,
                                               size_t *count)
{
    size_t low = 0, high = threads->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (threads->items[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < threads->count && threads->items[low + *count].tid == tid)
        ++*count;
    return *count ? &threads->items[low] : NULL;
}

/* --- The lock. --- */

static bool locate_gil(const struct python *python, const struct python_memory *memory,
                       const struct python_thread *thread, uint64_t *holder, uint64_t *locked)
{
    const struct python_layout *layout = &python->layout;
    uint64_t gil;
    if (!layout->interpreter_gil) {
        *holder = python->runtime + layout->runtime_gil_holder;
        *locked = python->runtime + layout->runtime_gil_locked;
        return true;
    }
    if (!python_read_word(memory, thread->interpreter + layout->interpreter_gil, &gil) || !gil)
        return false;
    *holder = gil + layout->gil_holder;
    *locked = gil + layout->gil_locked;
    return true;
}

struct python_gil python_gil_holder(const struct python *python, const struct python_memory *memory,
                                    const struct python_threads *threads,
                                    const struct python_thread *thread)
{
    struct python_gil gil = {.state = GIL_UNKNOWN};
    uint64_t holder, locked, address;
    uint32_t value;
    if (python->problem[0] || !locate_gil(python, memory, thread, &holder, &locked) ||
        !python_read(memory, locked, &value, sizeof(value)) ||
        !python_read_word(memory, holder, &address))
        return gil;
    gil.address = holder;
    /* -1: not made yet; 0, 1 (Python/ceval_gil.c, struct _gil_runtime_state). */
    if (value > 1)
        return gil;
    gil.state = value ? GIL_HELD : GIL_FREE;
    for (size_t i = 0; value && i < threads->count; i++) {
        if (threads->items[i].address == address)
            gil.tid = threads->items[i].tid;
    }
    return gil;
}

/*
 * Behind last_holder stand locked, switch_number, cond, mutex, switch_cond, switch_mutex in all
 * versions: Include/internal/pycore_gil.h. The sizes are those of pthread_cond_t and
 * pthread_mutex_t in glibc and musl, 64 bits.
 */
enum { GIL_CONDITION = 24, CONDITION_SIZE = 48, MUTEX_SIZE = 40 };

bool python_gil_is_awaited_at(const struct python_gil *gil, uint64_t futex)
{
    return gil->address && futex - (gil->address + GIL_CONDITION) < CONDITION_SIZE;
}

bool python_gil_contains(const struct python_gil *gil, uint64_t address)
{
    return gil->address &&
           address - (gil->address + GIL_CONDITION) < 2 * (uint64_t)(CONDITION_SIZE + MUTEX_SIZE);
}
