/* Which function of the C library a thread waits in, by the names of the frames on its stack. */
#include "injector/arch/arch.h"
#include "src/waits_private.h"

#include <string.h>

/* Frames that may stand between the call and the function that is looked for. */
#define FRAMES_MAX 16

/* Names as bare_name makes them; each stands for all that begin so. The parts of a
   function that a compiler splits off have its name and an ending. */
struct named_wait {
    const char *prefix;
    enum wait_kind kind;
};

static const struct named_wait functions[] = {
    {"pthread_mutex_", WAIT_MUTEX},
    {"mtx_lock", WAIT_MUTEX},
    {"mtx_timedlock", WAIT_MUTEX},
    {"pthread_rwlock_rd", WAIT_RWLOCK_READ},
    {"pthread_rwlock_timedrd", WAIT_RWLOCK_READ},
    {"pthread_rwlock_clockrd", WAIT_RWLOCK_READ},
    {"pthread_rwlock_wr", WAIT_RWLOCK_WRITE},
    {"pthread_rwlock_timedwr", WAIT_RWLOCK_WRITE},
    {"pthread_rwlock_clockwr", WAIT_RWLOCK_WRITE},
    {"pthread_cond_", WAIT_CONDITION},
    {"cnd_wait", WAIT_CONDITION},
    {"cnd_timedwait", WAIT_CONDITION},
    {"sem_wait", WAIT_SEMAPHORE},
    {"sem_timedwait", WAIT_SEMAPHORE},
    {"sem_clockwait", WAIT_SEMAPHORE},
    {"new_sem_wait", WAIT_SEMAPHORE},
    {"pthread_barrier_wait", WAIT_BARRIER},
    {"pthread_join", WAIT_JOIN},
    {"pthread_timedjoin", WAIT_JOIN},
    {"pthread_clockjoin", WAIT_JOIN},
    {"thrd_join", WAIT_JOIN},
    {"pthread_once", WAIT_ONCE},
    {"call_once", WAIT_ONCE},
    {"cxa_guard_acquire", WAIT_STATIC},
    {"malloc", WAIT_ALLOCATOR},
    {"calloc", WAIT_ALLOCATOR},
    {"realloc", WAIT_ALLOCATOR},
    {"free", WAIT_ALLOCATOR},
    {"libc_malloc", WAIT_ALLOCATOR},
    {"libc_calloc", WAIT_ALLOCATOR},
    {"libc_realloc", WAIT_ALLOCATOR},
    {"libc_free", WAIT_ALLOCATOR},
    {"int_malloc", WAIT_ALLOCATOR},
    {"int_free", WAIT_ALLOCATOR},
    {"flockfile", WAIT_STREAM},
    {"fflush", WAIT_STREAM},
    {"fputs", WAIT_STREAM},
    {"puts", WAIT_STREAM},
    {"fwrite", WAIT_STREAM},
    {"vfprintf_internal", WAIT_STREAM},
    {"IO_", WAIT_STREAM},
};

/* What may be called by those to wait, in glibc and in musl. */
static const char *const plumbing[] = {
    "lll_lock_wait",
    "lll_timedlock_wait",
    "lll_clocklock_wait",
    "futex_",
    "do_futex_wait",
    "GI___futex",
    "internal_syscall",
    "syscall",
    "timedwait",
    "wait",
    "futex4_cp",
    "cp_begin",
    "cp_end",
    "lockfile",
};

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Without what marks a name as internal: "__GI___lll_lock_wait" is one that glibc itself uses. */
static const char *bare_name(const char *name)
{
    name += strspn(name, "_");
    if (begins_with(name, "GI_"))
        name += strlen("GI_");
    return name + strspn(name, "_");
}

static enum wait_kind kind_of(const char *name)
{
    name = bare_name(name);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (begins_with(name, functions[i].prefix))
            return functions[i].kind;
    }
    return WAIT_UNKNOWN;
}

static bool is_plumbing(const char *name)
{
    name = bare_name(name);
    for (size_t i = 0; i < sizeof(plumbing) / sizeof(plumbing[0]); i++) {
        if (begins_with(name, plumbing[i]))
            return true;
    }
    return false;
}

/* By names that one of them has, whether it is a library or linked into the program. */
static enum c_library library_of(struct module *module)
{
    static const char *const glibc[] = {"gnu_get_libc_version", "__lll_lock_wait_private",
                                        "__pthread_unwind", "__libc_early_init"};
    static const char *const musl[] = {"__dls3", "__timedwait", "__timedwait_cp"};
    for (size_t i = 0; i < sizeof(glibc) / sizeof(glibc[0]); i++) {
        if (module_symbol_address(module, glibc[i], NULL))
            return LIBRARY_GLIBC;
    }
    for (size_t i = 0; i < sizeof(musl) / sizeof(musl[0]); i++) {
        if (module_symbol_address(module, musl[i], NULL))
            return LIBRARY_MUSL;
    }
    return LIBRARY_UNKNOWN;
}

/*
 * The function that the frame called, in whose place another one of the same file may run by now: a
 * tail call leaves no frame. It is what the call instruction names, itself, by a stub, or by a
 * pointer that the loader has filled in.
 */
static bool find_called_function(const struct search *search, const struct report_frame *frame,
                                 struct symbol *ret)
{
    uint8_t before[ARCH_CODE_WINDOW], at[ARCH_JUMP_MAX];
    struct module *module = frame->location.module;
    uint64_t pc = frame->frame.pc, target, slot;
    if (!module || !frame->frame.is_call_site ||
        !module_code_at(module, pc - sizeof(before), before, sizeof(before)))
        return false;
    const uint8_t *end = before + sizeof(before);
    bool through = arch_call_slot(end, sizeof(before), pc, &slot);
    if (!through && !arch_call_target(end, sizeof(before), pc, &target))
        return false;
    if (!through)
        through = module_code_at(module, target, at, sizeof(at)) &&
                  arch_jump_slot(at, sizeof(at), target, &slot);
    if (through &&
        remote_read(search->report->process, slot, &target, sizeof(target)) != sizeof(target))
        return false;
    module = modules_find(search->report->modules, target);
    return module && module_symbol(module, target, ret) && ret->address == target;
}

/* The function is one that waits, and what it keeps is on the stack up to the end of this frame. */
static bool set_function(const struct report_thread *thread, const struct report_frame *frame,
                         const char *name, struct waiting_function *ret)
{
    ret->kind = kind_of(name);
    ret->frame_start = thread->thread->registers.value[arch_sp];
    ret->frame_end = frame->frame.cfa;
    return ret->kind != WAIT_UNKNOWN;
}

/* A function of the frames' own file, or one of another that waits by itself. */
static bool may_wait_for(enum wait_kind kind, bool same_module)
{
    return kind != WAIT_UNKNOWN && (same_module || kind == WAIT_STATIC);
}

static enum c_library known_library_of(struct search *search, struct module *module)
{
    if (search->library_module != module) {
        search->library_module = module;
        search->library = library_of(module);
    }
    return search->library;
}

/* A named function of a frame; those without a size are followed by ones without a name. */
static bool find_name(const struct report_frame *frame, struct symbol *ret)
{
    struct module *module = frame->location.module;
    return module && module_symbol(module, frame_lookup_pc(&frame->frame), ret) && ret->size;
}

bool wait_find_function(struct search *search, const struct report_thread *thread, size_t *from,
                        struct waiting_function *ret)
{
    /* The innermost frames are of one file: the C library, or a program that contains it. */
    struct module *library = thread->frame_count ? thread->frames[0].location.module : NULL;
    const struct report_frame *last = NULL;
    *ret = (struct waiting_function){.library = library ? known_library_of(search, library)
                                                        : LIBRARY_UNKNOWN};
    while (*from < thread->frame_count && library) {
        const struct report_frame *frame = &thread->frames[(*from)++];
        struct symbol symbol;
        if (frame->location.inlined)
            continue;
        ret->guessed |= frame->frame.how == FRAME_SCAN;
        /* musl has no unwind tables: a guess says where to look, and the lock must confirm it. */
        if (*from > FRAMES_MAX || (ret->guessed && ret->library != LIBRARY_MUSL))
            return false;
        struct module *module = frame->location.module;
        bool named = find_name(frame, &symbol);
        if (named && may_wait_for(kind_of(symbol.name), module == library))
            return set_function(thread, frame, symbol.name, ret);
        if (module != library) {
            *from = thread->frame_count;
            return last && find_called_function(search, frame, &symbol) &&
                   set_function(thread, last, symbol.name, ret);
        }
        if (named && !is_plumbing(symbol.name) && !ret->guessed)
            return false;
        last = frame;
    }
    return false;
}
