#include "payload/guard.h"

#include "payload/code.h"
#include "payload/lock.h"
#include "payload/memory.h"
#include "payload/signals.h"
#include "payload/sys.h"
#include "payload/thread.h"
#include "payload/unwind.h"

#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define BIT(signal) (1ull << ((signal)-1))
#define ALTERNATE_STACK_BYTES (64u << 10)
/* The holder of the lock sends one signal, no more: it is there in the end. */
#define LOCK_MS 1000

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

/* Code that may be left by arch_context_escape, on the thread `tid` (0: none). */
struct region {
    _Atomic int tid;
    struct arch_frame frame;
    enum guard_cut_mode mode;
    bool is_worker;
    volatile bool cut;
    uint64_t first_cut_at;   /* ms; 0: nobody has asked yet */
    bool forced;             /* it was not in its own code when it was cut */
    volatile bool recording; /* its stack, in the handler */
    struct guard_report report;
};

static struct {
    pid_t pid; /* whose worker it is: not of a child that the called code forked */
    struct region worker, handler;
    struct stack alternate;
    struct lock cut_lock; /* held while a cut is sent, and while the worker's region is closed */
    int cut_signal;       /* 0: nothing to cut */
} state;

static void set_mask(uint64_t mask)
{
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask), 0, 0);
}

bool guard_enter_thread(void)
{
    state.pid = sys_getpid();
    if (!stack_init(&state.alternate, ALTERNATE_STACK_BYTES))
        return false;
    stack_t alternate = {
        .ss_sp = stack_bottom(&state.alternate),
        .ss_size = state.alternate.size - MEMORY_PAGE,
    };
    SYS_CALL(SYS_sigaltstack, &alternate, NULL, 0, 0, 0, 0);
    return true;
}

void guard_leave_thread(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    SYS_CALL(SYS_sigaltstack, &none, NULL, 0, 0, 0, 0);
    stack_deinit(&state.alternate);
}

static void escape(struct region *region, void *context)
{
    if (region->is_worker) {
        uint64_t mask = thread_blocked_signals();
        memcpy(&((ucontext_t *)context)->uc_sigmask, &mask, sizeof(mask));
    }
    arch_context_escape(context, &region->frame);
}

/*
 * In the handler: when it has ended, the frames are overwritten. It runs on the alternate stack,
 * and takes nothing of the program's. A fault in it ends it, and is not told.
 */
static void record_stack(struct region *region, const void *context)
{
    struct unwinder unwinder;
    struct trace trace = {.count = 0};
    struct registers registers = {.known = (UINT64_C(1) << arch_register_count) - 1};
    if (!region->is_worker || region->mode != GUARD_CUT_OWN_CODE)
        return;
    region->recording = true;
    set_mask(thread_blocked_signals());
    arch_signal_registers(context, registers.value);
    if (unwinder_init(&unwinder) == 0)
        unwind(&unwinder, &registers, &trace);
    unwinder_deinit(&unwinder);
    set_mask(thread_all_signals());
    region->recording = false;
    size_t count = trace.count < GUARD_STACK_MAX ? trace.count : GUARD_STACK_MAX;
    memcpy(region->report.stack, trace.pcs, count * sizeof(trace.pcs[0]));
    region->report.count = count;
}

static bool may_cut(struct region *region, void *context)
{
    switch (region->mode) {
    case GUARD_CUT_ANYWHERE:
        return true;
    case GUARD_CUT_WAITING:
        return arch_context_in_syscall(context);
    case GUARD_CUT_OWN_CODE:
        if (!region->first_cut_at)
            region->first_cut_at = sys_now_ms();
        region->forced = !code_holds(arch_context_pc(context));
        return !region->forced || sys_now_ms() - region->first_cut_at >= GUARD_FORCE_MS;
    }
    return false;
}

static bool take_cut(struct region *region, void *context)
{
    /* Else it came too early or too late: it will be said again while something runs. */
    if (region->is_worker && region->frame.sp && may_cut(region, context)) {
        region->cut = true;
        record_stack(region, context);
        escape(region, context);
    }
    return true;
}

static bool is_fault(int signal)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        if (faults[i] == signal)
            return true;
    return false;
}

/* Only what this thread did itself: a kill(1) from outside is meant for the program. */
static bool claim(int signal, const siginfo_t *info, void *context)
{
    pid_t pid = sys_getpid();
    int tid = sys_gettid();
    if (pid != state.pid || (info->si_code <= 0 && info->si_pid != pid))
        return false;
    struct region *regions[] = {&state.worker, &state.handler};
    for (size_t i = 0; i < 2; i++) {
        struct region *region = regions[i];
        if (atomic_load(&region->tid) != tid)
            continue;
        if (!is_fault(signal))
            return take_cut(region, context);
        if (!region->frame.sp) /* a fault of our own: it would be wrong to hide it */
            return false;
        if (region->recording) {
            escape(region, context);
            return true;
        }
        region->report = (struct guard_report){
            .signal = signal,
            .code = info->si_code,
            .address = info->si_code > 0 ? (uintptr_t)info->si_addr : 0,
            .pc = arch_context_pc(context),
            .sp = arch_context_sp(context),
        };
        record_stack(region, context);
        escape(region, context);
        return true;
    }
    return false;
}

void guard_take_faults(void)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        signals_take(faults[i], true, claim);
}

void guard_give_back_faults(void)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        signals_give_back(faults[i]);
}

static void set_cut_signal(int cut_signal)
{
    while (!lock_take(&state.cut_lock, LOCK_MS))
        ;
    state.cut_signal = cut_signal;
    lock_release(&state.cut_lock);
}

static void open_region(enum guard_cut_mode mode, int cut_signal)
{
    state.worker.mode = mode;
    state.worker.is_worker = true;
    state.worker.cut = false;
    state.worker.first_cut_at = 0;
    state.worker.forced = mode != GUARD_CUT_OWN_CODE;
    state.worker.report = (struct guard_report){0};
    state.worker.recording = false;
    atomic_store(&state.worker.tid, sys_gettid());
    guard_take_faults();
    signals_take(cut_signal, false, claim);
    set_cut_signal(cut_signal);
    set_mask(thread_blocked_signals() & ~(BIT(SIGABRT) | BIT(cut_signal)));
}

/* With the cut blocked and nobody sending it any more, one that came late is thrown away. */
static void close_region(int cut_signal)
{
    uint64_t cut = BIT(cut_signal);
    set_mask(thread_blocked_signals() | cut);
    set_cut_signal(0);
    struct timespec now = {0, 0};
    while (SYS_CALL(SYS_rt_sigtimedwait, &cut, NULL, &now, sizeof(cut), 0, 0) == cut_signal)
        ;
    signals_give_back(cut_signal);
    guard_give_back_faults();
    set_mask(thread_blocked_signals());
    atomic_store(&state.worker.tid, 0);
}

enum guard_outcome guard_run(enum guard_cut_mode mode, uintptr_t function,
                             const uint64_t arguments[ARCH_ARGUMENTS], uint64_t *result,
                             struct guard_report *report)
{
    int cut_signal = signals_choose();
    open_region(mode, cut_signal);
    int landed = arch_guarded_call(&state.worker.frame, function, arguments, 0, result);
    /* The called code forked, and this is the child: it has no manhole, and nothing to go on with.
     */
    if (sys_getpid() != state.pid)
        for (;;)
            SYS_CALL(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    close_region(cut_signal);
    if (!landed)
        return GUARD_RETURNED;
    *report = state.worker.report;
    report->forced = state.worker.forced;
    return state.worker.cut ? GUARD_CUT : GUARD_FAULTED;
}

void guard_cut(void)
{
    if (!lock_take(&state.cut_lock, LOCK_MS))
        return;
    if (state.cut_signal)
        SYS_CALL(SYS_tgkill, state.pid, atomic_load(&state.worker.tid), state.cut_signal, 0, 0, 0);
    lock_release(&state.cut_lock);
}

void guard_bury(void)
{
    set_cut_signal(0);
    atomic_store(&state.worker.tid, 0);
    signals_give_back_all();
    stack_deinit(&state.alternate);
}

void guard_forget(bool caller_is_worker)
{
    state.cut_lock = (struct lock){0};
    signals_forget();
    if (caller_is_worker)
        return;
    atomic_store(&state.handler.tid, 0);
    guard_bury();
}

bool guard_run_in_handler(uintptr_t function, void *argument, uintptr_t stack_top)
{
    uint64_t arguments[ARCH_ARGUMENTS] = {(uintptr_t)argument};
    uint64_t result;
    state.handler.is_worker = false;
    atomic_store(&state.handler.tid, sys_gettid());
    int landed = arch_guarded_call(&state.handler.frame, function, arguments, stack_top, &result);
    atomic_store(&state.handler.tid, 0);
    return landed == 0;
}
