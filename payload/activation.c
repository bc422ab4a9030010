#include "payload/activation.h"

#include "payload/orders.h"
#include "payload/signals.h"
#include "payload/sys.h"
#include "payload/thread.h"

#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

/* How long a thread that need not wait any more may take to notice. */
#define LEAVE_MS 2000
#define BIT(signal) (1ull << ((signal)-1))

static struct {
    pid_t pid; /* whose handlers they are */
    int activate_on, oneshot_on;
    _Atomic unsigned held; /* threads that wait */
} state;

static bool on_activate(int signal, const siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    if (sys_getpid() == state.pid)
        orders_want_socket();
    return true;
}

/*
 * While the thread is held, signals with a handler wait, or go to other threads: nothing of the
 * program may run in a thread that stands still. Those without a handler do what they always do, so
 * that Ctrl-C and SIGTERM still end the program. When the handler returns, the kernel puts back the
 * mask that was.
 */
static void let_defaults_through(int signal, const void *context)
{
    uint64_t before;
    memcpy(&before, &((const ucontext_t *)context)->uc_sigmask, sizeof(before));
    uint64_t mask = thread_all_signals() & ~(signals_default() & ~before & ~BIT(signal));
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask), 0, 0);
}

static bool on_oneshot(int signal, const siginfo_t *info, void *context)
{
    (void)info;
    struct order order = {.fd = -1};
    /* Not given: there is a shot under way already, or the manhole is being closed. */
    if (sys_getpid() != state.pid || !orders_give(&order))
        return true;
    atomic_fetch_add(&state.held, 1);
    signals_begin_waiting(); /* the console can still look at all stacks */
    let_defaults_through(signal, context);
    orders_wait(&order);
    signals_end_waiting();
    atomic_fetch_sub(&state.held, 1);
    return true;
}

int activation_begin(uint32_t activate_on, uint32_t oneshot_on)
{
    int status = 0;
    state.pid = sys_getpid();
    atomic_store(&state.held, 0);
    state.activate_on = (int)activate_on;
    state.oneshot_on = (int)oneshot_on;
    if (activate_on)
        status = signals_hold(state.activate_on, on_activate);
    if (!status && oneshot_on)
        status = signals_hold(state.oneshot_on, on_oneshot);
    if (status)
        activation_end();
    return status;
}

void activation_end(void)
{
    int *signals[] = {&state.activate_on, &state.oneshot_on};
    for (size_t i = 0; i < 2; i++)
        if (*signals[i])
            signals_release(*signals[i]);
    for (unsigned i = 0; i < LEAVE_MS && atomic_load(&state.held) && state.pid == sys_getpid(); i++)
        sys_sleep_ms(1);
    for (size_t i = 0; i < 2; i++) {
        if (*signals[i])
            signals_wait_until_left(*signals[i]);
        *signals[i] = 0;
    }
}
