#include "src/dump_waits.h"

#include "src/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

/* --- In words. --- */

/* What comes before the address. */
static const char *phrase(enum wait_kind kind)
{
    static const char *const phrases[] = {
        [WAIT_MUTEX] = "waits for %smutex",
        [WAIT_RWLOCK_READ] = "waits to read under %srwlock",
        [WAIT_RWLOCK_WRITE] = "waits to write under %srwlock",
        [WAIT_CONDITION] = "waits for %scondition",
        [WAIT_SEMAPHORE] = "waits for %ssemaphore",
        [WAIT_BARRIER] = "waits at %sbarrier",
        [WAIT_JOIN] = "waits for the end of",
        [WAIT_ONCE] = "waits for another thread to finish pthread_once",
        [WAIT_STATIC] = "waits for another thread to initialize static variable",
        [WAIT_ALLOCATOR] = "waits for a lock of malloc",
        [WAIT_STREAM] = "waits for the lock of a stdio stream",
        [WAIT_FUTEX] = "waits for futex",
        [WAIT_GIL] = "waits for the GIL",
        [WAIT_DESCRIPTOR] = "waits on",
        [WAIT_FILE_LOCK] = "waits for a lock of",
        [WAIT_CHILD] = "waits for",
    };
    return (size_t)kind < sizeof(phrases) / sizeof(phrases[0]) ? phrases[kind] : NULL;
}

struct words {
    char *buffer;
    size_t size, used;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(words->buffer + words->used, words->size - words->used, format, arguments);
    va_end(arguments);
    if (length > 0)
        words->used += (size_t)length;
    if (words->used >= words->size)
        words->used = words->size - 1;
}

static void add_thread(struct words *words, pid_t tid, const char *name)
{
    add(words, "%d \"%s\"", tid, name);
}

static void add_owner(struct words *words, const struct wait_owner *owner)
{
    if (owner->kind == OWNER_PROCESS && owner->tid == 0) {
        add(words, "process %d", owner->pid);
        if (owner->name[0])
            add(words, " \"%s\"", owner->name);
    } else if (owner->kind == OWNER_MISSING) {
        add(words,
            "%d, which is no thread of this process: it ended with the lock held, or held "
            "it when the process forked",
            owner->tid);
    } else {
        add_thread(words, owner->tid, owner->name);
        if (owner->kind == OWNER_PROCESS)
            add(words, " of process %d", owner->pid);
    }
}

static void add_place(struct words *words, uint64_t address, const char *place)
{
    add(words, " 0x%" PRIx64, address);
    if (place)
        add(words, " <%s>", place);
}

/* What a wait has in common with others of its group: the rest is "...". */
struct common {
    bool address, place, mutex, detail;
};

static void add_wait(struct words *words, const struct wait *wait, struct common common)
{
    char type[sizeof(wait->type) + 1] = "";
    const char *before = phrase(wait->kind);
    if (wait->type[0])
        snprintf(type, sizeof(type), "%s ", wait->type);
    /* The compiler cannot see that all phrases take one string at most. */
    const char *gap = strstr(before, "%s");
    add(words, "%.*s%s%s", gap ? (int)(gap - before) : (int)strlen(before), before, gap ? type : "",
        gap ? gap + 2 : "");
    bool has_place = wait->address && wait->kind != WAIT_GIL; /* nobody needs to be told which */
    if (has_place && common.address)
        add_place(words, wait->address, wait->place);
    else if (has_place)
        add(words, " ...");
    else if (wait->place && wait->kind != WAIT_GIL)
        add(words, " %s", common.place ? wait->place : "...");
    if (wait->owner.kind != OWNER_UNKNOWN) {
        add(words, wait->kind == WAIT_JOIN || wait->kind == WAIT_CHILD ? " " : " held by ");
        add_owner(words, &wait->owner);
    }
    if (wait->mutex && common.mutex) {
        add(words, ", then for mutex");
        add_place(words, wait->mutex, wait->mutex_place);
    } else if (wait->mutex) {
        add(words, ", then for mutex ...");
    }
    if (wait->detail)
        add(words, "%s%s", wait->address || wait->place || wait->owner.kind ? ", " : " ",
            common.detail ? wait->detail : "...");
    if (wait->guessed)
        add(words, " [a guess]");
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Of other waits there is always more to say than the call. */
static bool says_more(const struct wait *wait)
{
    bool needs_more = wait->kind == WAIT_DESCRIPTOR || wait->kind == WAIT_CHILD;
    return phrase(wait->kind) && (!needs_more || wait->detail || wait->owner.kind != OWNER_UNKNOWN);
}

bool waits_describe(const struct wait *const *waits, size_t count, char *buffer, size_t size)
{
    struct words words = {buffer, size, 0};
    struct common common = {true, true, true, true};
    if (count == 0 || !(waits[0]->holds_gil || says_more(waits[0])))
        return false;
    if (waits[0]->holds_gil)
        add(&words, "holds the GIL%s", says_more(waits[0]) ? "; " : "");
    if (!says_more(waits[0]))
        return true;
    for (size_t i = 1; i < count; i++) {
        common.address &= waits[i]->address == waits[0]->address;
        common.place &= same_text(waits[i]->place, waits[0]->place);
        common.mutex &= waits[i]->mutex == waits[0]->mutex;
        common.detail &= same_text(waits[i]->detail, waits[0]->detail);
    }
    add_wait(&words, waits[0], common);
    return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int waits_compare(const struct wait *a, const struct wait *b)
{
    int order = compare_numbers(a->kind, b->kind);
    if (!order)
        order = compare_numbers(a->holds_gil, b->holds_gil);
    if (!order)
        order = strcmp(a->type, b->type);
    if (!order)
        order = compare_numbers(a->owner.kind, b->owner.kind);
    if (!order)
        order = compare_numbers((uint64_t)a->owner.tid, (uint64_t)b->owner.tid);
    if (!order)
        order = compare_numbers((uint64_t)a->owner.pid, (uint64_t)b->owner.pid);
    /* Who holds one lock need not hold the other. */
    if (!order && a->owner.kind != OWNER_UNKNOWN)
        order = compare_numbers(a->address, b->address);
    if (!order)
        order = compare_numbers(a->guessed, b->guessed);
    if (!order)
        order = compare_numbers(!a->mutex, !b->mutex);
    return order ? order : compare_numbers(!a->detail, !b->detail);
}

static void print_clean(FILE *out, const struct words *words)
{
    char clean[LINE_MAX_BYTES];
    fputs(message_sanitize(words->buffer, clean, sizeof(clean)), out);
}

/* "12 "a" waits for mutex 0x1 <b> held by 13 "b", which waits for ... held by 12 "a"". */
static void print_deadlock(const struct report *report, const struct deadlock *deadlock, FILE *out,
                           const char *begin, const char *end)
{
    const struct thread_snapshot *first = report->threads[deadlock->threads[0]].thread;
    fprintf(out, "%sDEADLOCK%s: ", begin, end);
    for (size_t i = 0; i < deadlock->count; i++) {
        char buffer[LINE_MAX_BYTES] = "";
        struct words words = {buffer, sizeof(buffer), 0};
        if (i == 0)
            add_thread(&words, first->tid, first->name);
        add(&words, i ? ", which " : " ");
        add_wait(&words, &report->waits->waits[deadlock->threads[i]],
                 (struct common){true, true, true, true});
        print_clean(out, &words);
    }
    if (deadlock->behind)
        fprintf(out, "; %zu more thread%s behind", deadlock->behind,
                deadlock->behind == 1 ? " waits" : "s wait");
    fputc('\n', out);
}

static void print_blocker(const struct blocker *blocker, FILE *out)
{
    char buffer[LINE_MAX_BYTES] = "";
    struct words words = {buffer, sizeof(buffer), 0};
    if (blocker->who.kind == OWNER_MISSING)
        add(&words, "%d, no thread of this process,", blocker->who.tid);
    else
        add_owner(&words, &blocker->who);
    add(&words, " holds up %zu threads", blocker->behind);
    print_clean(out, &words);
    fputc('\n', out);
}

void waits_print_summary(const struct report *report, FILE *out, const char *begin, const char *end)
{
    const struct waits *waits = report->waits;
    for (size_t i = 0; i < waits->deadlock_count; i++)
        print_deadlock(report, &waits->deadlocks[i], out, begin, end);
    for (size_t i = 0; i < waits->blocker_count; i++)
        print_blocker(&waits->blockers[i], out);
    if (waits->deadlock_count || waits->blocker_count)
        fputc('\n', out);
}
