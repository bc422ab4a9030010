#include "payload/stacks.h"

#include "payload/guard.h"
#include "payload/lock.h"
#include "payload/memory.h"
#include "payload/signals.h"
#include "payload/sys.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>

#define BIT(signal) (1ull << ((signal)-1))
#define SCRATCH_BYTES (64u << 10)
/* How long a thread may take to answer, and one that has begun to finish, ms. */
#define ANSWER_MS 1000
#define FINISH_MS 5000

/* The word that decides who goes on: the number of the question, and its phase. */
enum phase { AT_REST, ASKED, RECORDING };
#define PHASE_BITS 2
#define WORD(number, phase) ((uint32_t)(number) << PHASE_BITS | (phase))

static struct {
    int signal;
    _Atomic uint32_t word;
    uint32_t number;
    int asked; /* the thread that was asked last */
    struct unwinder *unwinder;
    struct trace *trace;
    bool faulted;
    struct stack scratch; /* the handler unwinds here: the thread's own stack may be nearly full */
} state;

static enum phase phase_of(uint32_t word)
{
    return word & ((1u << PHASE_BITS) - 1);
}

bool stacks_at_rest(void)
{
    return phase_of(atomic_load(&state.word)) != RECORDING && signals_in_flight() == 0;
}

pid_t stacks_stuck_thread(void)
{
    return state.asked;
}

void stacks_forget(void)
{
    atomic_store(&state.word, WORD(state.number, AT_REST));
}

/* --- In the thread that is asked. --- */

static void record(const struct registers *registers)
{
    unwind(state.unwinder, registers, state.trace);
}

/* The signal handler. */
static bool record_own_stack(int signal, const siginfo_t *info, void *context)
{
    (void)signal;
    if (info->si_code != SI_QUEUE || info->si_pid != sys_getpid())
        return false;
    uint32_t number = (uint32_t)(uintptr_t)info->si_value.sival_ptr;
    uint32_t asked = WORD(number, ASKED);
    if (!atomic_compare_exchange_strong(&state.word, &asked, WORD(number, RECORDING)))
        return true; /* too late: nobody waits for the answer any more */
    struct registers registers = {.known = (UINT64_C(1) << arch_register_count) - 1};
    arch_signal_registers(context, registers.value);
    state.trace->count = 0;
    state.faulted = !guard_run_in_handler((uintptr_t)record, &registers, stack_top(&state.scratch));
    atomic_store(&state.word, WORD(number, AT_REST));
    lock_wake(&state.word);
    return true;
}

/* --- In the worker. --- */

/* A thread in sigwaitinfo(3) would be handed our signal as an answer, whatever its mask. */
static bool waits_for_signals(const struct proc_thread *thread)
{
    uint64_t set = 0;
    return thread->call == SYS_rt_sigtimedwait &&
           (memory_read(thread->arguments[0], &set, sizeof(set)) != sizeof(set) ||
            set & BIT(state.signal));
}

/* Why a thread must not be asked; STACKS_RECORDED: it may. */
static enum stacks_answer why_not(pid_t tid, const struct proc_thread *thread)
{
    switch (thread->state) {
    case 'Z':
    case 'X':
        return STACKS_GONE;
    case 'T':
    case 't':
        return STACKS_STOPPED;
    case 'D':
        return STACKS_BUSY;
    }
    if (waits_for_signals(thread))
        return STACKS_WAITS;
    return proc_blocked_signals(tid) & BIT(state.signal) ? STACKS_BLOCKS : STACKS_RECORDED;
}

/* True when the word has left `word` before the time is over. */
static bool wait_while(uint32_t word, unsigned milliseconds)
{
    uint64_t end = sys_now_ms() + milliseconds;
    while (atomic_load(&state.word) == word) {
        if (sys_now_ms() >= end)
            return false;
        lock_wait(&state.word, word, 50);
    }
    return true;
}

/*
 * The answer is there, but the thread still has to leave the handler: until then its mask holds our
 * signal. After that nothing of ours runs in it.
 */
static void wait_until_left(int tid)
{
    for (unsigned i = 0; i < ANSWER_MS && proc_blocked_signals(tid) & BIT(state.signal); i++)
        sys_sleep_ms(i < 10 ? 0 : 1);
}

static enum stacks_answer send_and_wait(pid_t tid)
{
    uint32_t number = ++state.number & (UINT32_MAX >> PHASE_BITS);
    state.asked = tid;
    atomic_store(&state.word, WORD(number, ASKED));
    siginfo_t info = {.si_signo = state.signal, .si_code = SI_QUEUE};
    info.si_pid = sys_getpid();
    info.si_value.sival_ptr = (void *)(uintptr_t)number;
    if (SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), tid, state.signal, &info, 0, 0) < 0) {
        atomic_store(&state.word, WORD(number, AT_REST));
        return STACKS_GONE;
    }
    uint32_t asked = WORD(number, ASKED);
    if (!wait_while(asked, ANSWER_MS) &&
        atomic_compare_exchange_strong(&state.word, &asked, WORD(number, AT_REST)))
        return STACKS_SILENT;
    if (!wait_while(WORD(number, RECORDING), FINISH_MS))
        return STACKS_SILENT; /* stacks_at_rest tells everybody */
    wait_until_left(tid);
    return state.faulted ? STACKS_FAULTED : STACKS_RECORDED;
}

enum stacks_answer stacks_ask(struct unwinder *unwinder, pid_t tid,
                              const struct proc_thread *thread, struct trace *ret)
{
    state.signal = signals_choose();
    enum stacks_answer answer = why_not(tid, thread);
    if (answer != STACKS_RECORDED)
        return answer;
    if (!stack_init(&state.scratch, SCRATCH_BYTES))
        return STACKS_NO_MEMORY;
    state.unwinder = unwinder;
    state.trace = ret;
    guard_take_faults();
    signals_take(state.signal, true, record_own_stack);
    answer = send_and_wait(tid);
    if (answer == STACKS_SILENT)
        signals_give_back_flushed(state.signal);
    else
        signals_give_back(state.signal);
    guard_give_back_faults();
    /* A thread that still records stands on it: rather lost than pulled away. */
    if (stacks_at_rest())
        stack_deinit(&state.scratch);
    return answer;
}

const char *stacks_explain(enum stacks_answer answer)
{
    switch (answer) {
    case STACKS_RECORDED:
        return NULL;
    case STACKS_FAULTED:
        return "the unwinder could not go on from here";
    case STACKS_BLOCKS:
        return "blocks our signal: not asked; manhole-attach --dump shows its stack";
    case STACKS_WAITS:
        return "waits for signals itself: not disturbed; manhole-attach --dump shows its stack";
    case STACKS_STOPPED:
        return "is stopped";
    case STACKS_BUSY:
        return "is in an uninterruptible system call";
    case STACKS_SILENT:
        return "did not answer in time";
    case STACKS_GONE:
        return "ended meanwhile";
    case STACKS_NO_MEMORY:
        return "no memory to ask it";
    }
    return NULL;
}

/* --- Which calls may be interrupted. --- */

/* A socket with a time-out of its own for this direction gives EINTR; what is no socket has none.
 */
static bool has_no_timeout(int fd, int option)
{
    struct timeval timeout = {0, 0};
    socklen_t size = sizeof(timeout);
    long status = SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &timeout, &size, 0);
    return status == 0 && !timeout.tv_sec && !timeout.tv_usec;
}

static bool is_pipe(int fd)
{
    struct stat status;
    return sys_fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool stacks_call_restarts(const struct proc_thread *thread)
{
    int fd = (int)thread->arguments[0];
    switch (thread->call) {
    case SYS_futex: /* with a time-out the kernel gives EINTR to who has a handler */
        return !thread->arguments[3] &&
               ((thread->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT ||
                (thread->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET);
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
        return true;
    case SYS_read:
    case SYS_readv:
        return is_pipe(fd) || has_no_timeout(fd, SO_RCVTIMEO);
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
        return has_no_timeout(fd, SO_RCVTIMEO);
    case SYS_write:
    case SYS_writev:
        return is_pipe(fd) || has_no_timeout(fd, SO_SNDTIMEO);
    case SYS_sendto:
    case SYS_sendmsg:
        return has_no_timeout(fd, SO_SNDTIMEO);
    }
    return false;
}
