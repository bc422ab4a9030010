/* What a thread in futex(2) waits for: which lock of which C library, and who holds it. */
#include "injector/cleanup.h"
#include "src/lock_layouts.h"
#include "src/waits_private.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>

/* The call, and the lock around its word. */
struct lock {
    struct search *search;
    const struct report_thread *thread;
    const struct waiting_function *function;
    uint64_t futex; /* address of the word */
    unsigned command;
    bool shared;    /* not FUTEX_PRIVATE_FLAG */
    uint32_t value; /* that the word had when the thread went to sleep */
    struct wait *wait;
};

static const struct process *process_of(const struct lock *lock)
{
    return lock->search->report->process;
}

static bool read_bytes(const struct lock *lock, uint64_t address, void *bytes, size_t size)
{
    return remote_read(process_of(lock), address, bytes, size) == size;
}

static uint32_t word_at(const uint8_t *bytes, size_t offset)
{
    uint32_t word;
    memcpy(&word, bytes + offset, sizeof(word));
    return word;
}

static void set_owner(const struct lock *lock, uint32_t tid)
{
    if (tid != 0)
        wait_find_owner(lock->search, (pid_t)tid, lock->wait->address, &lock->wait->owner);
}

static void add_type(struct wait *wait, bool is, const char *word)
{
    size_t used = strlen(wait->type);
    if (is)
        snprintf(wait->type + used, sizeof(wait->type) - used, "%s%s", used ? " " : "", word);
}

/* futex(2), "Robust futexes" and "Priority-inheritance futexes": the kernel's own protocol. */
static uint32_t holder_in(uint32_t word)
{
    return word & FUTEX_TID_MASK;
}

/* A robust mutex has the flag in any case (nptl/pthread_mutex_init.c). */
static bool is_process_shared(const struct lock *lock, uint32_t kind)
{
    if (!(kind & GLIBC_MUTEX_ROBUST))
        return kind & GLIBC_MUTEX_SHARED;
    const struct mapping *mapping = maps_find(lock->search->report->snapshot->maps, lock->futex);
    return mapping && mapping->shared;
}

static bool read_glibc_mutex(const struct lock *lock)
{
    uint8_t bytes[GLIBC_MUTEX_SIZE];
    struct wait *wait = lock->wait;
    if (!read_bytes(lock, lock->futex - GLIBC_MUTEX_LOCK, bytes, sizeof(bytes)))
        return false;
    uint32_t kind = word_at(bytes, GLIBC_MUTEX_KIND), type = kind & GLIBC_MUTEX_TYPE_MASK;
    if (kind & ~(uint32_t)GLIBC_MUTEX_KNOWN)
        return false;
    wait->kind = WAIT_MUTEX;
    wait->address = lock->futex - GLIBC_MUTEX_LOCK;
    bool in_word = kind & (GLIBC_MUTEX_ROBUST | GLIBC_MUTEX_PRIO_INHERIT);
    add_type(wait, kind & GLIBC_MUTEX_ROBUST, "robust");
    add_type(wait, kind & GLIBC_MUTEX_PRIO_INHERIT, "priority-inheriting");
    add_type(wait, kind & GLIBC_MUTEX_PRIO_PROTECT, "priority-protected");
    add_type(wait, is_process_shared(lock, kind), "process-shared");
    add_type(wait, type == GLIBC_MUTEX_RECURSIVE, "recursive");
    add_type(wait, type == GLIBC_MUTEX_ERRORCHECK, "error-checking");
    add_type(wait, type == GLIBC_MUTEX_ADAPTIVE, "adaptive");
    set_owner(lock, in_word ? holder_in(word_at(bytes, GLIBC_MUTEX_LOCK))
                            : word_at(bytes, GLIBC_MUTEX_OWNER));
    return true;
}

static bool read_musl_mutex(const struct lock *lock)
{
    uint8_t bytes[MUSL_MUTEX_SIZE];
    struct wait *wait = lock->wait;
    uint64_t address = lock->futex - MUSL_MUTEX_LOCK;
    if (!read_bytes(lock, address, bytes, sizeof(bytes)))
        return false;
    uint32_t kind = word_at(bytes, MUSL_MUTEX_TYPE), type = kind & MUSL_MUTEX_TYPE_MASK;
    if (kind & ~(uint32_t)MUSL_MUTEX_KNOWN)
        return false;
    if (!(kind & MUSL_MUTEX_PRIO_INHERIT) && !(lock->value & MUSL_WAITED))
        return false;
    if (!(kind & MUSL_MUTEX_HAS_OWNER) && (lock->value & ~MUSL_WAITED) != MUSL_MUTEX_LOCKED)
        return false;
    wait->kind = WAIT_MUTEX;
    wait->address = address;
    add_type(wait, kind & MUSL_MUTEX_ROBUST, "robust");
    add_type(wait, kind & MUSL_MUTEX_PRIO_INHERIT, "priority-inheriting");
    add_type(wait, kind & MUSL_MUTEX_SHARED, "process-shared");
    add_type(wait, type == MUSL_MUTEX_RECURSIVE, "recursive");
    add_type(wait, type == MUSL_MUTEX_ERRORCHECK, "error-checking");
    if (kind & MUSL_MUTEX_HAS_OWNER)
        set_owner(lock, holder_in(word_at(bytes, MUSL_MUTEX_LOCK)));
    else
        wait_add_detail(wait, "of whose holder musl keeps no record");
    /* A word that names a thread, and a type that says it would: no guess any more. */
    if (wait->owner.kind == OWNER_THREAD)
        wait->guessed = false;
    return true;
}

static bool read_mutex(const struct lock *lock)
{
    switch (lock->function->library) {
    case LIBRARY_GLIBC:
        return read_glibc_mutex(lock);
    case LIBRARY_MUSL:
        return read_musl_mutex(lock);
    case LIBRARY_UNKNOWN:
        break;
    }
    return false;
}

/* Where the lock begins whose word is waited for: readers may wait for a word of their own. */
static uint64_t glibc_rwlock_of(const struct lock *lock)
{
    if (lock->futex % 8 != 0)
        return lock->futex - GLIBC_RWLOCK_WRITERS_FUTEX;
    bool readers_word =
        lock->function->kind == WAIT_RWLOCK_READ && lock->value > GLIBC_RWLOCK_FUTEX_WAITED;
    return lock->futex - (readers_word ? GLIBC_RWLOCK_READERS : GLIBC_RWLOCK_PHASE_FUTEX);
}

static void add_readers(struct wait *wait, uint32_t readers)
{
    if (readers > 0)
        wait_add_detail(wait, "held by %u reader%s", readers, readers == 1 ? "" : "s");
}

static bool read_glibc_rwlock(const struct lock *lock)
{
    uint8_t bytes[GLIBC_RWLOCK_SIZE];
    uint64_t address = glibc_rwlock_of(lock);
    if (!read_bytes(lock, address, bytes, sizeof(bytes)))
        return false;
    lock->wait->address = address;
    add_type(lock->wait, word_at(bytes, GLIBC_RWLOCK_SHARED), "process-shared");
    uint32_t writer = word_at(bytes, GLIBC_RWLOCK_WRITER);
    if (writer)
        set_owner(lock, writer);
    else
        add_readers(lock->wait, word_at(bytes, GLIBC_RWLOCK_READERS) >> GLIBC_RWLOCK_READER_SHIFT);
    return true;
}

static bool read_musl_rwlock(const struct lock *lock)
{
    uint32_t word;
    if (!read_bytes(lock, lock->futex, &word, sizeof(word)))
        return false;
    lock->wait->address = lock->futex - MUSL_RWLOCK_LOCK;
    uint32_t holders = word & MUSL_RWLOCK_WRITER;
    if (holders == MUSL_RWLOCK_WRITER)
        wait_add_detail(lock->wait, "held by a writer, of whom musl keeps no record");
    else
        add_readers(lock->wait, holders);
    return true;
}

static bool read_rwlock(const struct lock *lock)
{
    if (lock->function->library == LIBRARY_UNKNOWN)
        return false;
    lock->wait->kind = lock->function->kind;
    return lock->function->library == LIBRARY_GLIBC ? read_glibc_rwlock(lock)
                                                    : read_musl_rwlock(lock);
}

static bool looks_like_glibc_mutex(const struct lock *lock, uint64_t address)
{
    uint8_t bytes[GLIBC_MUTEX_SIZE];
    return address && address % 8 == 0 && read_bytes(lock, address, bytes, sizeof(bytes)) &&
           !(word_at(bytes, GLIBC_MUTEX_KIND) & ~(uint32_t)GLIBC_MUTEX_KNOWN);
}

/* The pair of addresses that the waiting function keeps for its cancellation. */
static void find_glibc_condition(const struct lock *lock)
{
    uint64_t words[64];
    const struct waiting_function *function = lock->function;
    size_t size = sizeof(words);
    if (function->frame_end <= function->frame_start)
        return;
    if (function->frame_end - function->frame_start < size)
        size = (size_t)(function->frame_end - function->frame_start);
    size_t count = snapshot_read(lock->search->report->snapshot, lock->thread->thread,
                                 function->frame_start, words, size, NULL) /
                   sizeof(words[0]);
    for (size_t i = 0; i + 1 < count; i++) {
        uint64_t distance = lock->futex - words[i];
        if (words[i] % 8 == 0 && distance >= GLIBC_COND_SIGNALS_FIRST &&
            distance <= GLIBC_COND_SIGNALS_LAST && looks_like_glibc_mutex(lock, words[i + 1])) {
            lock->wait->address = words[i];
            lock->wait->mutex = words[i + 1];
            return;
        }
    }
}

static bool read_condition(const struct lock *lock)
{
    lock->wait->kind = WAIT_CONDITION;
    /* In musl, and where the buffer is not found, the word is no fixed part of the condition. */
    if (lock->function->library == LIBRARY_GLIBC)
        find_glibc_condition(lock);
    return true;
}

static bool read_semaphore(const struct lock *lock)
{
    lock->wait->kind = WAIT_SEMAPHORE;
    lock->wait->address = lock->futex; /* first in both libraries */
    add_type(lock->wait, lock->shared, "process-shared");
    return true;
}

static bool read_barrier(const struct lock *lock)
{
    uint8_t bytes[GLIBC_BARRIER_SIZE];
    uint64_t address = lock->futex - GLIBC_BARRIER_ROUND;
    lock->wait->kind = WAIT_BARRIER;
    /* musl keeps the word on the stack of the thread that came first. */
    if (lock->function->library != LIBRARY_GLIBC ||
        !read_bytes(lock, address, bytes, sizeof(bytes)))
        return true;
    uint32_t came = word_at(bytes, GLIBC_BARRIER_IN) - word_at(bytes, GLIBC_BARRIER_ROUND);
    uint32_t count = word_at(bytes, GLIBC_BARRIER_COUNT);
    lock->wait->address = address;
    if (came <= count)
        wait_add_detail(lock->wait, "%u of %u have come", came, count);
    return true;
}

/* glibc waits for the kernel to clear the id of the thread (pthread_create(3),
   CLONE_CHILD_CLEARTID), musl for its state, in the same structure. */
static bool read_join(const struct lock *lock)
{
    uint32_t tid = 0;
    struct wait *wait = lock->wait;
    uint64_t self, structure = lock->futex - MUSL_THREAD_DETACH_STATE;
    bool is_musl = lock->function->library == LIBRARY_MUSL;
    if (is_musl &&
        (!read_bytes(lock, structure + MUSL_THREAD_SELF, &self, sizeof(self)) || self != structure))
        return false;
    uint64_t at = is_musl ? structure + MUSL_THREAD_ID : lock->futex;
    if (!read_bytes(lock, at, &tid, sizeof(tid)) || (!is_musl && tid != lock->value))
        return false;
    set_owner(lock, tid);
    if (wait->owner.kind != OWNER_THREAD) {
        wait->owner = (struct wait_owner){0};
        return false;
    }
    wait->kind = WAIT_JOIN;
    wait->guessed = false; /* the structure of a thread, that knows itself */
    return true;
}

/* musl's locks say in the value that is waited for what they may be. */
static bool fits_musl(const struct lock *lock)
{
    const struct report *report = lock->search->report;
    switch (lock->function->kind) {
    case WAIT_RWLOCK_READ:
    case WAIT_RWLOCK_WRITE:
        return lock->value & MUSL_WAITED;
    case WAIT_SEMAPHORE:
        return lock->value == MUSL_SEM_WAITED || lock->value == MUSL_SEM_WAITED_BEFORE;
    case WAIT_ONCE:
        return lock->value == MUSL_ONCE_WAITED;
    case WAIT_CONDITION:
        return lock->value == MUSL_COND_WAITED &&
               wait_find_stack(report, lock->futex) == lock->thread;
    case WAIT_BARRIER:
        return wait_find_stack(report, lock->futex);
    default:
        return true; /* looked at where they are read */
    }
}

static bool read_named(const struct lock *lock)
{
    if (lock->function->library == LIBRARY_MUSL && !fits_musl(lock))
        return false;
    lock->wait->guessed = lock->function->guessed;
    switch (lock->function->kind) {
    case WAIT_MUTEX:
        return read_mutex(lock);
    case WAIT_RWLOCK_READ:
    case WAIT_RWLOCK_WRITE:
        return read_rwlock(lock);
    case WAIT_CONDITION:
        return read_condition(lock);
    case WAIT_SEMAPHORE:
        return read_semaphore(lock);
    case WAIT_BARRIER:
        return read_barrier(lock);
    case WAIT_JOIN:
        return read_join(lock);
    case WAIT_ONCE:
    case WAIT_STATIC:
    case WAIT_ALLOCATOR:
    case WAIT_STREAM:
        lock->wait->kind = lock->function->kind;
        lock->wait->address = lock->futex;
        return true;
    default:
        return false;
    }
}

static bool is_lock_pi(unsigned command)
{
    return command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
}

/* Without a name that helps: the word alone, and of priority inheritance what the kernel asks of
   it. */
static void read_bare_futex(const struct lock *lock)
{
    uint32_t word;
    lock->wait->address = lock->futex;
    lock->wait->kind = is_lock_pi(lock->command) ? WAIT_MUTEX : WAIT_FUTEX;
    add_type(lock->wait, is_lock_pi(lock->command), "priority-inheriting");
    if (is_lock_pi(lock->command) && read_bytes(lock, lock->futex, &word, sizeof(word)))
        set_owner(lock, holder_in(word));
}

/* musl's own words may say enough without a name: of a thread that is joined, of a mutex that names
   its holder. */
static bool read_unnamed(struct lock *lock)
{
    static const struct waiting_function mutex = {.kind = WAIT_MUTEX, .library = LIBRARY_MUSL};
    static const struct waiting_function join = {.kind = WAIT_JOIN, .library = LIBRARY_MUSL};
    if (lock->function->library != LIBRARY_MUSL)
        return false;
    lock->function = &join;
    if (read_named(lock))
        return true;
    lock->function = &mutex;
    return read_named(lock) && lock->wait->owner.kind == OWNER_THREAD;
}

static void forget(struct wait *wait)
{
    free(wait->detail);
    *wait = (struct wait){0};
}

void wait_read_lock(struct search *search, const struct report_thread *thread, bool is_futex,
                    struct wait *wait)
{
    const uint64_t *arguments = thread->thread->syscall_arguments;
    struct waiting_function function;
    struct lock lock = {
        .search = search,
        .thread = thread,
        .function = &function,
        .futex = arguments[0],
        .command = (unsigned)arguments[1] & FUTEX_CMD_MASK,
        .shared = !(arguments[1] & FUTEX_PRIVATE_FLAG),
        .value = (uint32_t)arguments[2],
        .wait = wait,
    };
    size_t from = 0;
    while (wait_find_function(search, thread, &from, &function)) {
        if (read_named(&lock))
            return;
        forget(wait);
        if (!function.guessed)
            break;
    }
    if (!is_futex || read_unnamed(&lock))
        return;
    forget(wait);
    if (lock.command != FUTEX_WAKE && lock.command != FUTEX_UNLOCK_PI)
        read_bare_futex(&lock);
}
