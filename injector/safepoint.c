#include "injector/safepoint.h"

#include "injector/arch/loan.h"
#include "injector/cleanup.h"
#include "injector/idle_calls.h"
#include "injector/look.h"
#include "injector/module.h"
#include "injector/safe_calls.h"
#include "injector/seccomp.h"
#include "injector/snapshot.h"
#include "injector/stack_tables.h"
#include "injector/unwind.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define FRAMES_MAX 512 /* a deeper stack is not judged */
#define STACK_BYTES (64 * 1024)

/* The code of one function in which a thread may be interrupted. */
struct entry_range {
    uint64_t start, end;
    enum safe_call_kind kind;
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
    struct snapshot *ahead; /* of the thread that was found safe while it slept; or NULL */
};

struct range_collector {
    struct safepoint *safepoint;
    enum safe_call_kind kind;
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
    for (size_t i = 0; i < safe_call_count; i++) {
        collector.kind = safe_calls[i].kind;
        linkmap_each_definition(safepoint->linkmap, object, safe_calls[i].name, add_range,
                                &collector);
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
    snapshot_destroy(safepoint->ahead);
    modules_destroy(safepoint->modules);
    free(safepoint->ranges);
    free(safepoint);
}

void safepoint_cleanup(struct safepoint **safepoint)
{
    safepoint_destroy(*safepoint);
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
    if (entry->kind == SAFE_STDIO && !is_read_call(syscall_number))
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
#ifdef SAFEPOINT_UNCHECKED /* tests/churn shows with it what happens then */
    return NULL;
#endif
    if (stack->end == UNWIND_COMPLETE)
        return judge_frames(safepoint, stack, thread->in_syscall ? thread->syscall_number : -1);
    if (safepoint->linkmap->is_musl)
        return judge_by_call(safepoint, thread);
    if (stack->end == UNWIND_LIMIT)
        return "in a very deep stack";
    return "in code without unwind tables";
}

/* What was found of a stack. */
struct verdict {
    const char *reason; /* NULL: the thread may be borrowed */
    bool complete;      /* the stack is known to its end, else the reason is only that it is not */
    bool in_slice;      /* ... by what was copied of it alone */
};

/* No frame lies behind the copied part, or on another stack. */
static bool lies_in_slice(const struct stack *stack, const struct memory_slice *slice)
{
    for (size_t i = 0; i < stack->count; i++) {
        uint64_t cfa = stack->frames[i].cfa;
        if ((cfa || i + 1 < stack->count) && cfa - slice->start > slice->size)
            return false;
    }
    return true;
}

static struct error *judge(struct safepoint *safepoint, struct snapshot *snapshot,
                           struct verdict *ret)
{
    CLEANUP_UNWINDER struct unwinder *unwinder = NULL;
    struct error *error = unwinder_create(snapshot, safepoint->modules, &unwinder);
    if (error)
        return error;
    struct stack stack;
    error = unwind_thread(unwinder, &snapshot->threads[0], UNWIND_CFI_ONLY, FRAMES_MAX, &stack);
    if (error)
        return error;
    ret->reason = judge_stack(safepoint, &snapshot->threads[0], &stack);
    ret->complete = stack.end == UNWIND_COMPLETE;
    ret->in_slice = ret->complete && lies_in_slice(&stack, &snapshot->threads[0].stack);
    stack_deinit(&stack);
    return NULL;
}

/* --- Ahead of the stop. --- */

static struct error *judge_sleeping(struct safepoint *safepoint,
                                    const struct thread_snapshot *thread, struct verdict *ret)
{
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct error *error =
        snapshot_of_thread(safepoint->process, safepoint->maps, thread, STACK_BYTES, &snapshot);
    if (!error)
        error = judge(safepoint, snapshot, ret);
    if (error || !ret->in_slice || ret->reason)
        return error;
    safepoint->ahead = snapshot;
    snapshot = NULL;
    return NULL;
}

const char *safepoint_prepare(struct safepoint *safepoint, pid_t tid)
{
    struct look look;
    struct thread_snapshot thread = {.tid = tid};
    struct verdict verdict = {0};
    snapshot_destroy(safepoint->ahead);
    safepoint->ahead = NULL;
    if (!look_at_thread(safepoint->process, tid, &look) || !look.asleep ||
        !look_registers(&look, &thread)) {
        stack_tables_load_all(safepoint->modules);
        return NULL;
    }
    stack_tables_load(safepoint->modules, &thread.registers, STACK_BYTES);
    error_destroy(judge_sleeping(safepoint, &thread, &verdict)); /* then it is judged later */
    /* A filtered one is stopped all the same: its filter may be an obstacle for good. */
    return verdict.complete && look_proves_sleep(safepoint->process, &look) &&
                   !seccomp_is_filtered(safepoint->process, tid)
               ? verdict.reason
               : NULL;
}

/*
 * Stands the stopped thread where it slept when it was judged? Its stack was known to its end from
 * the program counter, the stack pointer, the arguments of the call and the bytes of the stack:
 * where these are the same, so is the judgement.
 */
static bool is_as_judged(const struct snapshot *ahead, const struct snapshot *snapshot)
{
    const struct thread_snapshot *then = ahead->threads, *now = snapshot->threads;
    return then->tid == now->tid &&
           then->registers.value[arch_pc] == now->registers.value[arch_pc] &&
           then->registers.value[arch_sp] == now->registers.value[arch_sp] && now->in_syscall &&
           then->syscall_number == now->syscall_number &&
           !memcmp(then->syscall_arguments, now->syscall_arguments,
                   sizeof(now->syscall_arguments)) &&
           then->stack.start == now->stack.start && then->stack.size == now->stack.size &&
           now->stack.size && !memcmp(then->stack.bytes, now->stack.bytes, now->stack.size);
}

const char *safepoint_judge(void *context, pid_t tid, const struct arch_regset *regset)
{
    struct safepoint *safepoint = context;
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct verdict verdict = {0};
    struct error *error = snapshot_of_stopped_thread(safepoint->process, safepoint->maps, tid,
                                                     regset, STACK_BYTES, &snapshot);
    if (!error && safepoint->ahead && is_as_judged(safepoint->ahead, snapshot))
        return NULL;
    if (!error)
        error = judge(safepoint, snapshot, &verdict);
    if (!error)
        return verdict.reason;
    error_destroy(error);
    return "not readable";
}
