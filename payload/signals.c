#include "payload/signals.h"

#include "payload/proc.h"
#include "payload/sys.h"
#include "payload/thread.h"

#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define HIGHEST_SIGNAL 64
/* 32 to 34 belong to the C libraries, 35 is musl's SIGRTMIN. */
#define LOWEST_REAL_TIME 36
/* A thread on its way out of a handler of ours has some ten instructions left. */
#define LEAVE_MS 1000
#define FLAG_RESTORER 0x04000000 /* SA_RESTORER, asm/signal.h */

/* As rt_sigaction(2) takes it (include/linux/signal_types.h, struct sigaction). */
struct kernel_action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

static struct {
    struct kernel_action before[HIGHEST_SIGNAL + 1];
    signals_claim *claims[HIGHEST_SIGNAL + 1];
    unsigned taken[HIGHEST_SIGNAL + 1];
    bool held[HIGHEST_SIGNAL + 1];
    _Atomic unsigned in_flight;
} state;

static long change_action(int signal, const struct kernel_action *action,
                          struct kernel_action *before)
{
    return SYS_CALL(SYS_rt_sigaction, signal, action, before, sizeof(uint64_t), 0, 0);
}

static bool is_ours(const struct kernel_action *action)
{
    return action->handler == (uintptr_t)arch_signal_entry;
}

uint64_t signals_default(void)
{
    uint64_t found = 0;
    for (int signal = 1; signal <= HIGHEST_SIGNAL; signal++) {
        struct kernel_action action;
        if (change_action(signal, NULL, &action) == 0 && action.handler == (uintptr_t)SIG_DFL)
            found |= 1ull << (signal - 1);
    }
    return found;
}

int signals_choose(void)
{
    int fallback = HIGHEST_SIGNAL;
    for (int signal = HIGHEST_SIGNAL; signal >= LOWEST_REAL_TIME; signal--) {
        struct kernel_action action;
        if (change_action(signal, NULL, &action) == 0 && action.handler == (uintptr_t)SIG_DFL)
            return signal;
        if (state.held[signal] && signal == fallback)
            fallback--;
    }
    return fallback;
}

static int take(int signal, bool restart, signals_claim *claim)
{
    struct kernel_action action = {
        .handler = (uintptr_t)arch_signal_entry,
        .flags = SA_SIGINFO | SA_ONSTACK | FLAG_RESTORER | (restart ? SA_RESTART : 0),
        .restorer = (uintptr_t)arch_signal_return,
        .mask = thread_all_signals(),
    };
    state.claims[signal] = claim;
    /* Read first: our handler must find it when it is called at once. And again with the change
       itself: the program may have been faster. */
    struct kernel_action replaced;
    change_action(signal, NULL, &state.before[signal]);
    long status = change_action(signal, &action, &replaced);
    if (status == 0)
        state.before[signal] = replaced;
    return (int)-status;
}

void signals_take(int signal, bool restart, signals_claim *claim)
{
    if (state.taken[signal]++ == 0)
        take(signal, restart, claim); /* cannot fail for those that are taken */
}

int signals_hold(int signal, signals_claim *claim)
{
    int status = take(signal, true, claim);
    state.held[signal] = status == 0;
    return status;
}

static void put_back(int signal, bool flush)
{
    struct kernel_action present;
    if (change_action(signal, NULL, &present) < 0 || !is_ours(&present))
        return;
    struct kernel_action ignore = {.handler = (uintptr_t)SIG_IGN};
    if (flush)
        change_action(signal, &ignore, NULL);
    change_action(signal, &state.before[signal], NULL);
}

static void give_back(int signal, bool flush)
{
    if (state.taken[signal] && --state.taken[signal] == 0)
        put_back(signal, flush);
}

void signals_give_back(int signal)
{
    give_back(signal, false);
}

void signals_give_back_flushed(int signal)
{
    give_back(signal, true);
}

void signals_give_back_all(void)
{
    for (int signal = 1; signal <= HIGHEST_SIGNAL; signal++) {
        if (!state.taken[signal])
            continue;
        state.taken[signal] = 0;
        put_back(signal, signal >= LOWEST_REAL_TIME);
    }
}

void signals_release(int signal)
{
    if (state.held[signal])
        put_back(signal, false);
    state.held[signal] = false;
}

/* What may be a thread in the handler's first or last instructions: those make no system call. */
static bool may_be_inside(int tid, void *argument)
{
    struct proc_thread thread;
    uint64_t *signal = argument;
    bool inside = tid != sys_gettid() && (proc_blocked_signals(tid) & *signal) &&
                  proc_look_at_thread(tid, &thread) && thread.state == 'R';
    if (inside)
        *signal = 0;
    return !inside;
}

void signals_wait_until_left(int signal)
{
    uint64_t end = sys_now_ms() + LEAVE_MS;
    uint64_t bit;
    do {
        bit = 1ull << (signal - 1);
        proc_each_number("/proc/self/task", may_be_inside, &bit);
        if (!bit)
            sys_sleep_ms(1);
    } while (!bit && sys_now_ms() < end);
}

void signals_forget(void)
{
    signals_give_back_all();
    atomic_store(&state.in_flight, 0);
}

unsigned signals_in_flight(void)
{
    return atomic_load(&state.in_flight);
}

void signals_begin_waiting(void)
{
    atomic_fetch_sub(&state.in_flight, 1);
}

void signals_end_waiting(void)
{
    atomic_fetch_add(&state.in_flight, 1);
}

/* The default action, with this very siginfo, at this very instruction: sent again to this thread,
   it arrives when the handler returns. */
static void let_default_happen(int signal, siginfo_t *info)
{
    struct kernel_action fallback = {.handler = (uintptr_t)SIG_DFL};
    change_action(signal, &fallback, NULL);
    SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), signal, info, 0, 0);
}

/* What the kernel would have done on entry to the program's own handler. */
static struct signal_chain enter_handler(int signal, void *context)
{
    struct kernel_action *before = &state.before[signal];
    struct signal_chain chain = {before->handler, before->restorer};
    uint64_t mask;
    memcpy(&mask, &((ucontext_t *)context)->uc_sigmask, sizeof(mask));
    mask |= before->mask;
    if (!(before->flags & SA_NODEFER))
        mask |= 1ull << (signal - 1);
    if (before->flags & SA_RESETHAND) /* one shot: this was it, now and when we give it back */
        before->handler = (uintptr_t)SIG_DFL;
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask), 0, 0);
    return chain;
}

static struct signal_chain pass_on(int signal, siginfo_t *info, void *context)
{
    struct signal_chain nothing = {0, 0};
    uintptr_t handler = state.before[signal].handler;
    if (handler == (uintptr_t)SIG_IGN && info->si_code <= 0)
        return nothing;
    /* A fault that is ignored kills all the same (force_sig, kernel/signal.c). */
    if (handler == (uintptr_t)SIG_DFL || handler == (uintptr_t)SIG_IGN) {
        let_default_happen(signal, info);
        return nothing;
    }
    return enter_handler(signal, context);
}

struct signal_chain signals_dispatch(int signal, siginfo_t *info, void *context)
{
    atomic_fetch_add(&state.in_flight, 1);
    struct signal_chain chain = {0, 0};
    if (!state.claims[signal] || !state.claims[signal](signal, info, context))
        chain = pass_on(signal, info, context);
    atomic_fetch_sub(&state.in_flight, 1);
    return chain;
}
