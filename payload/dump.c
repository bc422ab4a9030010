#include "payload/dump.h"

#include "payload/asleep.h"
#include "payload/names.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"

#include <stdarg.h>
#include <string.h>

#define FIRST_BYTES (64u << 10)
/* The same stack in more threads than this is shown once. */
#define ALIKE_MAX 3
/* Code is loaded or unloaded while we look: then all is looked at again, so often. */
#define ROUNDS 3

const struct dump_limits dump_for_prompt = {500, 1000, 512u << 10};

/* --- Text. --- */

static void add_bytes(struct dump *dump, const char *bytes, size_t size)
{
    while (dump->capacity - dump->size < size) {
        size_t capacity = dump->capacity ? 2 * dump->capacity : FIRST_BYTES;
        char *text =
            dump->text ? memory_grow(dump->text, dump->capacity, capacity) : memory_map(capacity);
        if (!text) {
            dump->cut = true;
            return;
        }
        dump->text = text;
        dump->capacity = capacity;
    }
    memcpy(dump->text + dump->size, bytes, size);
    dump->size += size;
}

static void __attribute__((format(printf, 2, 3))) add(struct dump *dump, const char *format, ...)
{
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    add_bytes(dump, text, text_vformat(text, sizeof(text), format, arguments));
    va_end(arguments);
}

void dump_deinit(struct dump *dump)
{
    memory_unmap(dump->text, dump->capacity);
    *dump = (struct dump){0};
}

/* --- What is shown. --- */

struct record {
    struct record *next;
    struct record *alike; /* the next one of the same stack */
    bool is_alike;        /* it is in the list of another one */
    pid_t tid;
    enum asleep how;
    struct proc_thread thread;
    enum unwind_end end;
    size_t count;
    uintptr_t *pcs; /* with each: 1 above the highest bit of user space if it is exact */
    uint64_t digest;
};

#define EXACT_BIT (UINT64_C(1) << 63)

struct collection {
    const struct dump_limits *limits;
    const struct registers *own;
    struct unwinder unwinder;
    struct names names;
    struct arena arena;
    struct trace trace;
    struct record *first, **last;
    size_t count, left_out;
    uint64_t until; /* ms */
    size_t frames_left;
    bool no_memory;
};

static uint64_t digest(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 32;
}

static void keep_trace(struct collection *collection, struct record *record)
{
    const struct trace *trace = &collection->trace;
    record->pcs = arena_alloc(&collection->arena, trace->count * sizeof(*record->pcs) + 1);
    if (!record->pcs) {
        collection->no_memory = true;
        return;
    }
    record->end = trace->end;
    record->count = trace->count;
    record->digest = digest((uint64_t)record->how, (uint64_t)record->thread.call);
    record->digest = digest(record->digest, record->end);
    for (size_t i = 0; i < trace->count; i++) {
        record->pcs[i] = trace->pcs[i] | (trace->exact[i] ? EXACT_BIT : 0);
        record->digest = digest(record->digest, record->pcs[i]);
    }
}

static bool same_stack(const struct record *one, const struct record *other)
{
    return one->count && one->digest == other->digest && one->how == other->how &&
           one->end == other->end && one->count == other->count &&
           one->thread.call == other->thread.call && one->thread.state == other->thread.state &&
           !memcmp(one->pcs, other->pcs, one->count * sizeof(*one->pcs));
}

/* The calling thread's own stack cannot change under it: no proof is needed. Our frames are left
   out. */
static enum asleep look_at_self(struct collection *collection, struct proc_thread *thread)
{
    struct trace *trace = &collection->trace;
    unwind(&collection->unwinder, collection->own, trace);
    const struct module *ours =
        modules_find(&collection->unwinder.modules, (uintptr_t)look_at_self);
    size_t skipped = 0;
    while (skipped < trace->count && ours && trace->pcs[skipped] >= ours->start &&
           trace->pcs[skipped] < ours->end)
        skipped++;
    trace->count -= skipped;
    memmove(trace->pcs, trace->pcs + skipped, trace->count * sizeof(trace->pcs[0]));
    memmove(trace->exact, trace->exact + skipped, trace->count * sizeof(trace->exact[0]));
    return proc_look_at_thread(sys_gettid(), thread) ? ASLEEP_PROVED : ASLEEP_GONE;
}

static bool enough(const struct collection *collection)
{
    return collection->no_memory || collection->count >= collection->limits->threads ||
           !collection->frames_left || sys_now_ms() >= collection->until;
}

static bool collect(int tid, void *context)
{
    struct collection *collection = context;
    if (thread_is_own(tid))
        return true;
    if (collection->count && enough(collection)) {
        collection->left_out++;
        return true;
    }
    struct record *record = arena_alloc(&collection->arena, sizeof(*record));
    if (!record) {
        collection->no_memory = true;
        collection->left_out++;
        return true;
    }
    record->tid = tid;
    record->how =
        collection->own && tid == sys_gettid()
            ? look_at_self(collection, &record->thread)
            : asleep_look(&collection->unwinder, tid, &record->thread, &collection->trace);
    if (record->how == ASLEEP_GONE)
        return true;
    keep_trace(collection, record);
    if (record->how == ASLEEP_PROVED)
        names_learn(&collection->names, &collection->unwinder, &collection->trace);
    collection->frames_left -=
        record->count < collection->frames_left ? record->count : collection->frames_left;
    *collection->last = record;
    collection->last = &record->next;
    collection->count++;
    return true;
}

/* --- How it is shown. --- */

static void show_state(struct dump *dump, const struct record *record)
{
    add(dump, "\"%s\" %c", record->thread.name, record->thread.state);
    if (record->thread.call >= 0)
        add(dump, ", syscall %ld", record->thread.call);
    add(dump, "\n");
}

static void show_end(struct dump *dump, const struct record *record)
{
    if (record->how == ASLEEP_RUNNING)
        add(dump, "     running: 'bt %d' asks it for its stack\n", record->tid);
    else if (record->how == ASLEEP_HIDDEN)
        add(dump, "     the kernel does not show where it stands\n");
    else if (record->end == UNWIND_NEEDS_REGISTER)
        add(dump, "     ... (%s: 'bt %d' asks it)\n", unwind_explain(record->end), record->tid);
    else if (record->end != UNWIND_OUTERMOST)
        add(dump, "     ... (%s)\n", unwind_explain(record->end));
}

static void show_alike(struct dump *dump, const struct record *record)
{
    size_t count = 0;
    for (const struct record *other = record->alike; other; other = other->alike)
        count++;
    add(dump, "     the same stack in %zu more threads:", count);
    for (const struct record *other = record->alike; other; other = other->alike)
        add(dump, " %d (%s)", other->tid, other->thread.name);
    add(dump, "\n");
}

static void show(struct dump *dump, const struct collection *collection,
                 const struct record *record)
{
    add(dump, "\n######### ProcessID=%d, ThreadID=%d #########\n", sys_getpid(), record->tid);
    show_state(dump, record);
    for (size_t i = 0; i < record->count; i++) {
        bool exact = record->pcs[i] & EXACT_BIT;
        uintptr_t pc = record->pcs[i] & ~EXACT_BIT;
        const char *name = names_get(&collection->names, pc, exact);
        add(dump, "#%-3zu 0x%016lx %s\n", i, pc, name ? name : "");
    }
    show_end(dump, record);
    if (record->alike)
        show_alike(dump, record);
}

/* Lists of equal stacks, each at its first thread; short ones are shown one by one. */
static void find_alike(struct collection *collection)
{
    for (struct record *record = collection->first; record; record = record->next) {
        struct record **end = &record->alike;
        size_t count = 0;
        if (record->is_alike)
            continue;
        for (struct record *other = record->next; other; other = other->next) {
            if (other->is_alike || !same_stack(record, other))
                continue;
            other->is_alike = true;
            *end = other;
            end = &other->alike;
            count++;
        }
        for (struct record *other = record->alike, *next; other && count < ALIKE_MAX;
             other = next) {
            next = other->alike;
            other->is_alike = false;
            other->alike = NULL;
        }
        if (count < ALIKE_MAX)
            record->alike = NULL;
    }
}

static void show_all(struct dump *dump, struct collection *collection)
{
    find_alike(collection);
    for (const struct record *record = collection->first; record; record = record->next) {
        if (record->is_alike)
            continue;
        if (dump->size >= collection->limits->bytes)
            collection->left_out++;
        else
            show(dump, collection, record);
    }
    add(dump, "#############################################\n");
    if (collection->left_out)
        add(dump, "... and %zu more: 'bt' shows all\n", collection->left_out);
    add(dump, "\n\n");
}

/* --- All of it. --- */

static int collection_init(struct collection *collection, const struct dump_limits *limits,
                           const struct registers *own)
{
    memset(collection, 0, sizeof(*collection));
    collection->limits = limits;
    collection->own = own;
    collection->last = &collection->first;
    collection->until = sys_now_ms() + limits->milliseconds;
    collection->frames_left = limits->bytes / 32; /* a line has more */
    int status = unwinder_init(&collection->unwinder);
    return status ? status : names_init(&collection->names) ? 0 : ENOMEM;
}

static void collection_deinit(struct collection *collection)
{
    names_deinit(&collection->names);
    unwinder_deinit(&collection->unwinder);
    arena_deinit(&collection->arena);
}

int dump_make(const struct dump_limits *limits, const struct registers *own, struct dump *ret)
{
    *ret = (struct dump){0};
    struct collection *collection = memory_map(sizeof(*collection));
    if (!collection)
        return ENOMEM;
    int status = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        status = collection_init(collection, limits, own);
        long result = status ? 0 : proc_each_number("/proc/self/task", collect, collection);
        if (result < 0)
            status = (int)-result;
        bool holds = status || modules_still_hold(&collection->unwinder.modules);
        if (!status && (holds || round == ROUNDS - 1)) {
            if (!holds)
                add(ret, "\nmodules come and go: names may be those of another one\n");
            show_all(ret, collection);
        }
        collection_deinit(collection);
        if (holds)
            break;
    }
    memory_unmap(collection, sizeof(*collection));
    return status;
}
