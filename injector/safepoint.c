#include "injector/safepoint.h"

#include "injector/arch/loan.h"
#include "injector/cleanup.h"
#include "injector/idle_calls.h"
#include "injector/module.h"
#include "injector/snapshot.h"
#include "injector/stack_tables.h"
#include "injector/unwind.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define FRAMES_MAX 512 /* a deeper stack is not judged */
#define STACK_BYTES (64 * 1024)

/* --- Where the C library may be interrupted. --- */

enum entry_kind {
    ENTRY_CALL,  /* a system call and what surrounds it, no lock that pthread_create needs */
    ENTRY_STDIO, /* may allocate its buffer before; only while it sits in read(2) */
};

/*
 * The functions of the C library that a thread may be in: what waits in the kernel, or on a lock of
 * the program itself. None of them allocates memory or holds a lock of malloc, of the thread
 * descriptors or of the loader while it waits (glibc 2.17 to 2.41, musl 1.1.20 to 1.2.5). Callbacks
 * of the program are not called by any of them.
 */
static const struct {
    const char *name;
    enum entry_kind kind;
} entries[] = {
    {"read", ENTRY_CALL},
    {"readv", ENTRY_CALL},
    {"pread", ENTRY_CALL},
    {"pread64", ENTRY_CALL},
    {"preadv", ENTRY_CALL},
    {"preadv64", ENTRY_CALL},
    {"write", ENTRY_CALL},
    {"writev", ENTRY_CALL},
    {"pwrite", ENTRY_CALL},
    {"pwrite64", ENTRY_CALL},
    {"pwritev", ENTRY_CALL},
    {"fsync", ENTRY_CALL},
    {"fdatasync", ENTRY_CALL},
    {"sendfile", ENTRY_CALL},
    {"sendfile64", ENTRY_CALL},
    {"splice", ENTRY_CALL},
    {"flock", ENTRY_CALL},
    {"fcntl", ENTRY_CALL},
    {"fcntl64", ENTRY_CALL},
    {"ioctl", ENTRY_CALL},
    {"poll", ENTRY_CALL},
    {"ppoll", ENTRY_CALL},
    {"select", ENTRY_CALL},
    {"pselect", ENTRY_CALL},
    {"__select", ENTRY_CALL},
    {"__poll", ENTRY_CALL},
    {"__read", ENTRY_CALL},
    {"__write", ENTRY_CALL},
    {"__pselect", ENTRY_CALL},
    {"__poll_chk", ENTRY_CALL},
    {"__ppoll_chk", ENTRY_CALL},
    {"__read_chk", ENTRY_CALL},
    {"__recv_chk", ENTRY_CALL},
    {"__recvfrom_chk", ENTRY_CALL},
    {"epoll_wait", ENTRY_CALL},
    {"epoll_pwait", ENTRY_CALL},
    {"epoll_pwait2", ENTRY_CALL},
    {"epoll_ctl", ENTRY_CALL},
    {"accept", ENTRY_CALL},
    {"accept4", ENTRY_CALL},
    {"connect", ENTRY_CALL},
    {"recv", ENTRY_CALL},
    {"recvfrom", ENTRY_CALL},
    {"recvmsg", ENTRY_CALL},
    {"recvmmsg", ENTRY_CALL},
    {"send", ENTRY_CALL},
    {"sendto", ENTRY_CALL},
    {"sendmsg", ENTRY_CALL},
    {"sendmmsg", ENTRY_CALL},
    {"nanosleep", ENTRY_CALL},
    {"clock_nanosleep", ENTRY_CALL},
    {"usleep", ENTRY_CALL},
    {"sleep", ENTRY_CALL},
    {"thrd_sleep", ENTRY_CALL},
    {"thrd_join", ENTRY_CALL},
    {"sched_yield", ENTRY_CALL},
    {"pause", ENTRY_CALL},
    {"sigwait", ENTRY_CALL},
    {"sigwaitinfo", ENTRY_CALL},
    {"sigtimedwait", ENTRY_CALL},
    {"sigsuspend", ENTRY_CALL},
    {"sigpause", ENTRY_CALL},
    {"sigprocmask", ENTRY_CALL},
    {"pthread_sigmask", ENTRY_CALL},
    {"wait", ENTRY_CALL},
    {"wait3", ENTRY_CALL},
    {"wait4", ENTRY_CALL},
    {"waitpid", ENTRY_CALL},
    {"waitid", ENTRY_CALL},
    {"msgrcv", ENTRY_CALL},
    {"msgsnd", ENTRY_CALL},
    {"mq_receive", ENTRY_CALL},
    {"mq_timedreceive", ENTRY_CALL},
    {"mq_send", ENTRY_CALL},
    {"mq_timedsend", ENTRY_CALL},
    {"semop", ENTRY_CALL},
    {"semtimedop", ENTRY_CALL},
    {"sem_wait", ENTRY_CALL},
    {"sem_timedwait", ENTRY_CALL},
    {"sem_clockwait", ENTRY_CALL},
    {"pthread_cond_wait", ENTRY_CALL},
    {"pthread_cond_timedwait", ENTRY_CALL},
    {"pthread_cond_clockwait", ENTRY_CALL},
    {"cnd_wait", ENTRY_CALL},
    {"cnd_timedwait", ENTRY_CALL},
    {"pthread_join", ENTRY_CALL},
    {"pthread_timedjoin_np", ENTRY_CALL},
    {"pthread_clockjoin_np", ENTRY_CALL},
    {"pthread_mutex_lock", ENTRY_CALL},
    {"pthread_mutex_timedlock", ENTRY_CALL},
    {"pthread_mutex_clocklock", ENTRY_CALL},
    {"__pthread_mutex_lock", ENTRY_CALL},
    {"mtx_lock", ENTRY_CALL},
    {"pthread_rwlock_rdlock", ENTRY_CALL},
    {"pthread_rwlock_wrlock", ENTRY_CALL},
    {"pthread_rwlock_timedrdlock", ENTRY_CALL},
    {"pthread_rwlock_timedwrlock", ENTRY_CALL},
    {"__pthread_rwlock_rdlock", ENTRY_CALL},
    {"__pthread_rwlock_wrlock", ENTRY_CALL},
    {"pthread_barrier_wait", ENTRY_CALL},
    {"pthread_spin_lock", ENTRY_CALL},
    {"syscall", ENTRY_CALL},
    {"fgets", ENTRY_STDIO},
    {"fgets_unlocked", ENTRY_STDIO},
    {"fgetc", ENTRY_STDIO},
    {"getc", ENTRY_STDIO},
    {"_IO_getc", ENTRY_STDIO},
    {"getc_unlocked", ENTRY_STDIO},
    {"getchar", ENTRY_STDIO},
    {"__uflow", ENTRY_STDIO},
    {"__underflow", ENTRY_STDIO},
    {"_IO_file_underflow", ENTRY_STDIO},
    {"fread", ENTRY_STDIO},
    {"fread_unlocked", ENTRY_STDIO},
    {"getline", ENTRY_STDIO},
    {"getdelim", ENTRY_STDIO},
    {"__getdelim", ENTRY_STDIO},
};

/* The code of one such function. */
struct entry_range {
    uint64_t start, end;
    enum entry_kind kind;
};

/* --- What is known of the target. --- */

struct safepoint {
    struct process *process;
    struct maps *maps;
    struct linkmap *linkmap;
    struct modules *modules;
    const struct loaded *libc;
    const struct loaded *allocator; /* whose malloc the program uses; may be libc or the program */
    bool allocator_in_program;
    struct entry_range *ranges;
    size_t range_count;
};

struct range_collector {
    struct safepoint *safepoint;
    enum entry_kind kind;
    bool no_memory;
};

static void add_range(const struct export *export, void *context)
{
    struct range_collector *collector = context;
    struct safepoint *safepoint = collector->safepoint;
    if (safepoint->range_count % 64 == 0) {
        struct entry_range *larger =
            reallocarray(safepoint->ranges, safepoint->range_count + 64, sizeof(*larger));
        if (!larger) {
            collector->no_memory = true;
            return;
        }
        safepoint->ranges = larger;
    }
    safepoint->ranges[safepoint->range_count++] =
        (struct entry_range){export->address, export->address + export->size, collector->kind};
}

/* Finds the listed functions in an object: the C library, libpthread, what interposes them. */
static bool collect_ranges(struct safepoint *safepoint, const struct loaded *object)
{
    struct range_collector collector = {.safepoint = safepoint};
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        collector.kind = entries[i].kind;
        linkmap_each_definition(safepoint->linkmap, object, entries[i].name, add_range, &collector);
    }
    return !collector.no_memory;
}

/* Objects that belong to the C library: itself, and before glibc 2.34 the thread library. */
static bool is_libc_object(const struct safepoint *safepoint, const struct loaded *object)
{
    return object == safepoint->libc || !strcmp(object->soname, "libpthread.so.0");
}

static bool collect_all_ranges(struct safepoint *safepoint)
{
    for (size_t i = 0; i < safepoint->linkmap->count; i++) {
        const struct loaded *object = &safepoint->linkmap->objects[i];
        bool interposes = object == safepoint->allocator && i != 0;
        if ((is_libc_object(safepoint, object) || interposes) && !collect_ranges(safepoint, object))
            return false;
    }
    return true;
}

struct error *safepoint_create(struct process *process, struct maps *maps, struct linkmap *linkmap,
                               struct safepoint **ret)
{
    CLEANUP_SAFEPOINT struct safepoint *safepoint = calloc(1, sizeof(*safepoint));
    if (!safepoint)
        return error_no_memory();
    safepoint->process = process;
    safepoint->maps = maps;
    safepoint->linkmap = linkmap;
    safepoint->libc = linkmap->libc < linkmap->count ? &linkmap->objects[linkmap->libc] : NULL;
    struct export malloc_export;
    if (linkmap_function(linkmap, "malloc", &malloc_export))
        safepoint->allocator = malloc_export.object;
    safepoint->allocator_in_program = safepoint->allocator == &linkmap->objects[0];
    if (!collect_all_ranges(safepoint))
        return error_no_memory();
    struct error *error = modules_create(process, maps, &safepoint->modules);
    if (error)
        return error;
    *ret = safepoint;
    safepoint = NULL;
    return NULL;
}

void safepoint_destroy(struct safepoint *safepoint)
{
    if (!safepoint)
        return;
    modules_destroy(safepoint->modules);
    free(safepoint->ranges);
    free(safepoint);
}

void safepoint_cleanup(struct safepoint **safepoint)
{
    safepoint_destroy(*safepoint);
}

void safepoint_prepare(struct safepoint *safepoint, pid_t tid)
{
    stack_tables_load(safepoint->modules, tid, STACK_BYTES);
}

/* --- The judgement. --- */

/* To whom the code of a frame belongs. */
enum owner {
    OWNER_PROGRAM, /* the program, its libraries, the vDSO, generated code */
    OWNER_LIBC,
    OWNER_ALLOCATOR, /* a library that replaces malloc: jemalloc, tcmalloc, a sanitizer */
    OWNER_LOADER,
};

static enum owner owner_of(const struct safepoint *safepoint, const struct frame *frame)
{
    uint64_t pc = frame_lookup_pc(frame);
    const struct linkmap *linkmap = safepoint->linkmap;
    const struct loaded *object = linkmap_find(linkmap, pc);
    if (object && is_libc_object(safepoint, object))
        return OWNER_LIBC;
    if (pc >= linkmap->loader_start && pc < linkmap->loader_end)
        return OWNER_LOADER;
    if (object && object == safepoint->allocator && !safepoint->allocator_in_program)
        return OWNER_ALLOCATOR;
    return OWNER_PROGRAM;
}

static const struct entry_range *entry_at(const struct safepoint *safepoint,
                                          const struct frame *frame)
{
    uint64_t pc = frame_lookup_pc(frame);
    for (size_t i = 0; i < safepoint->range_count; i++)
        if (pc >= safepoint->ranges[i].start && pc < safepoint->ranges[i].end)
            return &safepoint->ranges[i];
    return NULL;
}

/* Frames of a stack, innermost first: all of it, or what lies between signal frames. */
struct section {
    const struct frame *frames;
    size_t count;
    bool has_start;      /* its outer end is where the thread began */
    long syscall_number; /* that its innermost frame is in; -1: none, or not known */
};

/* A run of frames inside the libraries, innermost first: [0, length). */
struct inner_run {
    size_t length;
    bool allocator; /* a frame of the allocator's library is in it */
};

static struct inner_run inner_run(const struct safepoint *safepoint, const struct section *section)
{
    struct inner_run run = {0};
    for (; run.length < section->count; run.length++) {
        enum owner owner = owner_of(safepoint, &section->frames[run.length]);
        if (owner == OWNER_PROGRAM)
            break;
        run.allocator |= owner == OWNER_ALLOCATOR;
    }
    return run;
}

/* Is the thread, where it entered the libraries last, in a function that may be interrupted? */
static const char *judge_inner_run(const struct safepoint *safepoint, const struct section *section,
                                   const struct inner_run *run)
{
    long syscall_number = section->syscall_number;
    if (!run->length)
        return NULL;
    const struct entry_range *entry = entry_at(safepoint, &section->frames[run->length - 1]);
    if (!entry)
        return run->allocator ? "in the allocator's library"
                              : "in a function of the C library that may hold its locks";
    if (entry->kind == ENTRY_STDIO && !is_read_call(syscall_number))
        return "in the C library's buffered input";
    /* An interceptor runs code of its own around the call: only the call itself is safe. */
    if (run->allocator && !is_idle_call(syscall_number) && !is_read_call(syscall_number) &&
        syscall_number != SYS_futex)
        return "in the allocator's library";
    return NULL;
}

/*
 * The outer end is how threads start: at most two frames of the C library, around them those of a
 * sanitizer, at most two, and for the main thread the program's own _start. Returns where the
 * program's frames end.
 */
static size_t outer_run(const struct safepoint *safepoint, const struct section *section)
{
    const struct frame *frames = section->frames;
    size_t end = section->count;
    if (!section->has_start)
        return end;
    if (end > 1 && owner_of(safepoint, &frames[end - 1]) == OWNER_PROGRAM &&
        owner_of(safepoint, &frames[end - 2]) == OWNER_LIBC)
        end--;
    for (int i = 0; i < 2 && end; i++)
        end -= owner_of(safepoint, &frames[end - 1]) == OWNER_LIBC;
    for (int i = 0; i < 2 && end; i++)
        end -= owner_of(safepoint, &frames[end - 1]) == OWNER_ALLOCATOR;
    return end;
}

static const char *judge_section(const struct safepoint *safepoint, const struct section *section)
{
    struct inner_run run = inner_run(safepoint, section);
    size_t end = outer_run(safepoint, section);
    if (run.length >= end)
        return "inside the C library with no frame of the program";
    for (size_t i = run.length; i < end; i++) {
        enum owner owner = owner_of(safepoint, &section->frames[i]);
        if (owner == OWNER_LIBC)
            return "in a callback from the C library";
        if (owner == OWNER_ALLOCATOR)
            return "in the allocator's library";
    }
    if (safepoint->allocator_in_program && !is_idle_call(section->syscall_number) &&
        !is_read_call(section->syscall_number))
        return "not asleep in a plain call (the allocator is part of the program)";
    return judge_inner_run(safepoint, section, &run);
}

/*
 * A signal handler may have interrupted anything, malloc too: what is above it is judged, and then
 * what it interrupted, as a stack of its own. (A server may fork in a handler, as PostgreSQL up to
 * version 15 does: its children never leave it.)
 */
static const char *judge_frames(const struct safepoint *safepoint, const struct stack *stack,
                                long syscall_number)
{
    for (size_t i = 0; i < stack->count; i++)
        if (owner_of(safepoint, &stack->frames[i]) == OWNER_LOADER)
            return "in the dynamic loader";
    struct section section = {.frames = stack->frames, .syscall_number = syscall_number};
    for (size_t i = 0; i < stack->count; i++) {
        if (!stack->frames[i].signal_frame)
            continue;
        section.count = (size_t)(&stack->frames[i] - section.frames);
        if (judge_section(safepoint, &section))
            return "in a signal handler";
        section = (struct section){.frames = &stack->frames[i + 1], .syscall_number = -1};
    }
    section.count = (size_t)(&stack->frames[stack->count] - section.frames);
    section.has_start = true;
    const char *reason = judge_section(safepoint, &section);
    return reason && section.frames != stack->frames
               ? "in a signal handler, above what may hold locks"
               : reason;
}

/* --- musl: no unwind tables. --- */

/* The instructions of a signal trampoline stand where a return address on the stack points to: a
   handler may be running, and may have interrupted malloc. */
static bool stack_may_have_signal_frame(const struct safepoint *safepoint,
                                        const struct thread_snapshot *thread)
{
    for (size_t at = 0; at + 8 <= thread->stack.size; at += 8) {
        uint64_t word;
        memcpy(&word, thread->stack.bytes + at, sizeof(word));
        if (word < safepoint->libc->start || word >= safepoint->libc->end)
            continue;
        uint8_t code[16];
        size_t got = remote_read(safepoint->process, word, code, sizeof(code));
        if (arch_is_signal_trampoline(code, got))
            return true;
    }
    return false;
}

/*
 * musl comes without unwind tables, so its callers cannot be known. But it never sleeps in one of
 * the idle calls while it holds a lock (musl 1.1.20 to 1.2.5: its locks wait in futex, its loader
 * in open and read), so the call alone is enough, unless a signal handler made it.
 */
static const char *judge_by_call(const struct safepoint *safepoint,
                                 const struct thread_snapshot *thread)
{
    if (!linkmap_is_consistent(safepoint->linkmap))
        return "running while a library is loaded or unloaded";
    if (!thread->in_syscall || !is_idle_call(thread->syscall_number))
        return "not asleep in a plain call (its C library has no unwind tables)";
    if (stack_may_have_signal_frame(safepoint, thread))
        return "in a signal handler";
    return NULL;
}

/*
 * That another thread is inside dlopen is no obstacle to one whose stack is known to its end: the
 * lock's owner runs on. So r_debug is asked only where the stack is not known.
 */
static const char *judge_stack(struct safepoint *safepoint, const struct thread_snapshot *thread,
                               const struct stack *stack)
{
    if (stack->end == UNWIND_COMPLETE)
        return judge_frames(safepoint, stack, thread->in_syscall ? thread->syscall_number : -1);
    if (safepoint->linkmap->is_musl)
        return judge_by_call(safepoint, thread);
    if (stack->end == UNWIND_LIMIT)
        return "in a very deep stack";
    return "in code without unwind tables";
}

static struct error *judge(struct safepoint *safepoint, pid_t tid, const struct arch_regset *regset,
                           const char **ret)
{
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct error *error = snapshot_of_stopped_thread(safepoint->process, safepoint->maps, tid,
                                                     regset, STACK_BYTES, &snapshot);
    if (error)
        return error;
    CLEANUP_UNWINDER struct unwinder *unwinder = NULL;
    error = unwinder_create(snapshot, safepoint->modules, &unwinder);
    if (error)
        return error;
    struct stack stack;
    error = unwind_thread(unwinder, &snapshot->threads[0], UNWIND_CFI_ONLY, FRAMES_MAX, &stack);
    if (error)
        return error;
    *ret = judge_stack(safepoint, &snapshot->threads[0], &stack);
    stack_deinit(&stack);
    return NULL;
}

const char *safepoint_judge(void *context, pid_t tid, const struct arch_regset *regset)
{
    struct safepoint *safepoint = context;
    const char *reason = NULL;
    struct error *error = judge(safepoint, tid, regset, &reason);
    if (error) {
        error_destroy(error);
        return "not readable";
    }
    return reason;
}
