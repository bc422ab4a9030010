#include "injector/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than some headers; Linux 5.13, include/uapi/linux/ptrace.h: struct
 * ptrace_rseq_configuration. */
#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif
struct rseq_configuration {
    uint64_t address;
    uint32_t size, signature, flags, padding;
};

static struct error *thread_ended(pid_t tid)
{
    return error_create(ERROR_NO_PROCESS, ESRCH, "thread %d has ended", tid);
}

/* ESRCH means that SIGKILL has taken the thread out of its stop: it is about to end. */
static struct error *thread_error(struct tracee *tracee, const char *what)
{
    if (errno == ESRCH)
        return thread_ended(tracee->tid);
    return error_create(ERROR_PARTIAL, errno, "%s of thread %d failed: %s", what, tracee->tid,
                        strerror(errno));
}

/* Is the tid a thread of this process, or that of a stranger who got the number meanwhile? */
static bool is_ours(const struct process *process, pid_t tid)
{
    char path[16];
    struct stat status;
    snprintf(path, sizeof(path), "%d", tid);
    return !fstatat(process->task_fd, path, &status, 0);
}

/* Seized by this thread before, and not let go: it did not stop in time (tracee_detach). */
static bool is_still_seized(const struct process *process, pid_t tid)
{
    char tracer[16];
    return process_status_field(process, tid, "TracerPid", tracer, sizeof(tracer)) &&
           atoi(tracer) == gettid();
}

struct error *tracee_seize(const struct process *process, pid_t tid, struct tracee *ret)
{
    *ret = (struct tracee){.tid = tid};
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
        int errnum = errno;
        if (errnum == EPERM && is_still_seized(process, tid)) {
            ret->seized = true;
            return NULL;
        }
        char state[32];
        /* A thread that is ending answers EPERM (kernel/ptrace.c, ptrace_attach: exit_state). */
        if (errnum == ESRCH || !process_status_field(process, tid, "State", state, sizeof(state)) ||
            state[0] == 'Z' || state[0] == 'X')
            return thread_ended(tid);
        return process_explain_refusal(process, "tracing", errnum);
    }
    ret->seized = true;
    if (is_ours(process, tid))
        return NULL;
    tracee_detach(ret, deadline_after_us(10000));
    return thread_ended(tid);
}

int tracee_read_regset(pid_t tid, struct arch_regset *ret)
{
    struct iovec vector = {ret->words, sizeof(ret->words)};
    ret->size = 0;
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &vector))
        return errno;
    ret->size = vector.iov_len;
    return 0;
}

static int write_regset(pid_t tid, const struct arch_regset *regset)
{
    struct iovec vector = {(void *)regset->words, regset->size};
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &vector) ? errno : 0;
}

/* What a thread that just stopped needs at once, and what it told. */
static enum tracee_stop_kind handle_stop(pid_t tid, int status, struct arch_regset *regset)
{
    int signal = WSTOPSIG(status);
    bool event_stop = status >> 16 == PTRACE_EVENT_STOP;
    int readable = tracee_read_regset(tid, regset);

    /*
     * A group stop would have interrupted the call without us; then EINTR is the program's own
     * business (signal(7)). For all others the repair comes first, so that our death from here on
     * leaves no trace. It is also right before a signal: if that runs a handler the kernel turns
     * the result into EINTR, and if it is an ignored one only tracing had made it wake the thread.
     */
    if (event_stop && signal != SIGTRAP)
        return TRACEE_GROUP_STOPPED;
    if (!readable && arch_regset_repair_eintr(regset))
        write_regset(tid, regset); /* fails only for a thread that SIGKILL has just taken */
    if (event_stop)
        return TRACEE_STOPPED;

    /*
     * A signal-delivery-stop is passed on at once. The interrupt is still pending and stops the
     * thread before it runs any further (kernel/signal.c, get_signal looks at JOBCTL_TRAP_MASK
     * before it dequeues the next signal).
     */
    ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)(status >> 16 ? 0 : signal));
    return TRACEE_PASSED;
}

/*
 * A stop is only looked at (WNOWAIT): the signal of a signal-delivery-stop that was waited for is
 * lost if we die before it is passed on (kernel/exit.c, wait_task_stopped, takes exit_code away;
 * kernel/signal.c, ptrace_stop, returns what is left of it).
 */
enum tracee_stop_kind tracee_poll(pid_t tid, struct arch_regset *ret)
{
    siginfo_t info = {0};
    int status;
    if (!waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL)) {
        if (!info.si_pid)
            return TRACEE_RUNNING;
        if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED)
            return handle_stop(tid, info.si_status << 8 | 0x7f, ret);
    }
    /* It has ended, or this is a Linux before 4.7, where waitid(2) knows no __WALL. */
    pid_t waited = waitpid(tid, &status, __WALL | WNOHANG);
    if (waited == 0 || (waited < 0 && errno == EINTR))
        return TRACEE_RUNNING;
    return waited > 0 && WIFSTOPPED(status) ? handle_stop(tid, status, ret) : TRACEE_GONE;
}

/* Waits a moment: first by giving the thread our processor, later by sleeping. */
static void wait_a_moment(unsigned round)
{
    static const struct timespec pause = {.tv_nsec = 50 * 1000};
    if (round < 50)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

struct error *tracee_stop(struct tracee *tracee, deadline_t deadline)
{
    if (tracee->stopped)
        return NULL;
    if (ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL))
        return thread_error(tracee, "PTRACE_INTERRUPT");

    for (unsigned round = 0;; round++) {
        struct arch_regset regset;
        enum tracee_stop_kind kind = tracee_poll(tracee->tid, &regset);
        if (kind == TRACEE_RUNNING) {
            if (deadline_passed(deadline))
                return error_create(ERROR_DEADLINE, ETIMEDOUT,
                                    "thread %d did not stop in time: it is in an uninterruptible "
                                    "wait of the kernel (D state)",
                                    tracee->tid);
            wait_a_moment(round);
            continue;
        }
        if (kind == TRACEE_GONE) {
            tracee->seized = false;
            return thread_ended(tracee->tid);
        }
        if (kind == TRACEE_PASSED)
            continue;
        tracee->stopped = tracee->event_stop = true;
        tracee->group_stopped = kind == TRACEE_GROUP_STOPPED;
        return NULL;
    }
}

struct error *tracee_get_registers(struct tracee *tracee, struct arch_regset *ret)
{
    errno = tracee_read_regset(tracee->tid, ret);
    return errno ? thread_error(tracee, "reading the registers") : NULL;
}

struct error *tracee_set_registers(struct tracee *tracee, const struct arch_regset *regset)
{
    errno = write_regset(tracee->tid, regset);
    return errno ? thread_error(tracee, "writing the registers") : NULL;
}

struct error *tracee_get_signal_mask(struct tracee *tracee, uint64_t *ret)
{
    if (ptrace(PTRACE_GETSIGMASK, tracee->tid, (void *)sizeof(*ret), ret))
        return thread_error(tracee, "reading the signal mask");
    return NULL;
}

struct error *tracee_set_signal_mask(struct tracee *tracee, uint64_t mask)
{
    if (ptrace(PTRACE_SETSIGMASK, tracee->tid, (void *)sizeof(mask), &mask))
        return thread_error(tracee, "writing the signal mask");
    return NULL;
}

uint64_t tracee_rseq_address(pid_t tid)
{
    struct rseq_configuration rseq = {0};
    long size = ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, (void *)sizeof(rseq), &rseq);
    return size < 0 ? 0 : rseq.address;
}

struct error *tracee_continue(struct tracee *tracee)
{
    if (ptrace(PTRACE_CONT, tracee->tid, NULL, NULL))
        return thread_error(tracee, "PTRACE_CONT");
    tracee->stopped = tracee->event_stop = tracee->group_stopped = false;
    return NULL;
}

void tracee_detach(struct tracee *tracee, deadline_t deadline)
{
    if (!tracee->seized)
        return;
    if (!tracee->stopped) {
        /* An error is a thread that ended, or one that only our own end can free. */
        struct error *error = tracee_stop(tracee, deadline);
        error_destroy(error);
        if (error)
            return;
    }
    /* Fails only for a thread that SIGKILL has taken: it needs no release. */
    ptrace(PTRACE_DETACH, tracee->tid, NULL, NULL);
    *tracee = (struct tracee){.tid = tracee->tid};
}
