#include "injector/loan.h"

#include "injector/cleanup.h"
#include "injector/mailbox.h"
#include "injector/maps.h"
#include "injector/seccomp.h"
#include "injector/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STOP_US 100000     /* for one thread to stop */
#define LOOK_AFTER_US 3000 /* without word from the stub: see where it is */
#define SETTLE_US 30       /* the work is done, the thread not parked yet: the first pause */
#define LONGEST_US 20000   /* of all pauses, which double */
#define GO_HOME_US 200000  /* for a thread to leave the stub alone: it parks 20 ms at most */
#define SIGNAL_BIT(signal) (UINT64_C(1) << ((signal)-1))

/*
 * The signals that are not blocked during a loan: those that faults raise (blocked, the kernel
 * would kill), and those with which a C library interrupts all its threads: a thread that does not
 * answer hangs the app's setuid (glibc's SIGSETXID 33, musl's SIGSYNCCALL 34), or is musl's timer
 * and SIGCANCEL (32, 33). glibc's SIGCANCEL (32) is blocked: cancelling a thread while it is away
 * would unwind through the stub; and so is 34, which is SIGRTMIN there, and the app's.
 */
static uint64_t loan_mask(bool is_musl)
{
    uint64_t open = SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |
                    SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSYS) | SIGNAL_BIT(33);
    if (is_musl)
        open |= SIGNAL_BIT(32) | SIGNAL_BIT(34);
    return ~open;
}

/* --- Thread ids. --- */

/* Its own id where nothing else is known: there are no namespaces then. */
static pid_t namespace_tid_of(const struct process *process, pid_t tid)
{
    pid_t known = process_namespace_tid(process, tid);
    return known ? known : tid;
}

pid_t loan_find_thread(const struct process *process, pid_t namespace_tid)
{
    CLEANUP_FREE pid_t *tids = NULL;
    size_t count;
    struct error *error = process_threads(process, &tids, &count);
    error_destroy(error);
    for (size_t i = 0; !error && i < count; i++) {
        if (namespace_tid_of(process, tids[i]) == namespace_tid)
            return tids[i];
    }
    return 0;
}

/* --- Refusals. --- */

static void refuse(struct loan_report *report, const char *reason)
{
    report->outcome = LOAN_REFUSED;
    report->reason = reason;
}

/* An error about one thread is no error of ours while the target lives. */
static struct error *or_refuse(struct loan_site *site, struct error *error,
                               struct loan_report *report, const char *reason)
{
    if (!error)
        return NULL;
    if (error->kind == ERROR_NOT_PERMITTED)
        return error;
    error_destroy(error);
    refuse(report, reason);
    return process_check_alive(site->process);
}

/* --- Into the stub. --- */

static struct error *write_code(struct loan_site *site, pid_t tid)
{
    CLEANUP_FREE void *stub = malloc(arch_stub_size());
    if (!stub)
        return error_no_memory();
    arch_stub_build(&site->parameters, stub);
    struct error *error =
        remote_write(site->process, tid, site->stub.address, stub, arch_stub_size());
    if (!error && site->parameters.work == LOAN_CREATE_THREAD)
        error = remote_write(site->process, tid, site->bootstrap.address, arch_bootstrap_code(),
                             arch_bootstrap_size());
    return error;
}

void loan_clear_caves(struct loan_site *site, pid_t tid)
{
    /* Fails only when the target has ended, or where writing it failed too. The stub goes last,
       since it tells a later manhole-attach about all the rest. */
    error_destroy(cave_restore(site->process, tid, &site->bootstrap));
    error_destroy(cave_restore(site->process, tid, &site->stub));
}

/* Registers first: before them nothing has changed, after them the thread needs us no more. */
static struct error *send(struct loan_site *site, struct tracee *tracee)
{
    struct arch_regset regset = site->parameters.home;
    struct error *error = write_code(site, tracee->tid);
    if (error) {
        loan_clear_caves(site, tracee->tid);
        return error;
    }
    arch_regset_enter_stub(&regset, site->stub.address);
    error = tracee_set_registers(tracee, &regset);
    if (!error)
        error = tracee_set_signal_mask(tracee, site->parameters.loan_mask);
    if (!error)
        error = tracee_continue(tracee);
    return error;
}

/* --- Out of the stub. --- */

bool loan_region_is_marked(const struct loan_site *site)
{
    uint64_t mailbox = site->parameters.region.mailbox, magic;
    return remote_read(site->process, mailbox + MAILBOX_MAGIC, &magic, sizeof(magic)) ==
               sizeof(magic) &&
           magic == (MAILBOX_MAGIC_VALUE ^ mailbox);
}

static bool read_donor_state(const struct loan_site *site, uint32_t *ret)
{
    return loan_region_is_marked(site) &&
           remote_read(site->process, site->parameters.region.mailbox + MAILBOX_DONOR_STATE, ret,
                       sizeof(*ret)) == sizeof(*ret);
}

static bool mailbox_says_parked(const struct loan_site *site)
{
    uint32_t state;
    return read_donor_state(site, &state) && state == DONOR_PARKED;
}

/* As far as memory shows: the mailbox says so, or is gone. */
static bool work_is_done(const struct loan_site *site)
{
    uint32_t state;
    return site->parameters.work == LOAN_UNMAP ? !read_donor_state(site, &state)
                                               : mailbox_says_parked(site);
}

static void pause_us(uint64_t us)
{
    struct timespec pause = {.tv_nsec = (long)us * 1000};
    nanosleep(&pause, NULL);
}

/* Gives the thread time to do its work: until that is done, or for a moment. */
static void wait_for_work(const struct loan_site *site, uint64_t us)
{
    deadline_t deadline = deadline_after_us(us);
    for (unsigned round = 0; !deadline_passed(deadline); round++) {
        if (work_is_done(site))
            return;
        if (round < 20)
            sched_yield();
        else
            pause_us(30);
    }
}

/* The mask first: a signal that waited is only taken when the registers are right too. */
static struct error *bring_home(struct loan_site *site, struct tracee *tracee)
{
    struct error *error = tracee_set_signal_mask(tracee, site->parameters.home_mask);
    return error ? error : tracee_set_registers(tracee, &site->parameters.home);
}

bool loan_thread_is_out(const struct loan_site *site, struct tracee *tracee)
{
    struct arch_regset regset;
    CLEANUP_MAPS struct maps *maps = NULL;
    CLEANUP_SNAPSHOT struct snapshot *snapshot = NULL;
    struct error *error = tracee_get_registers(tracee, &regset);
    if (!error)
        error = maps_read(site->process, &maps);
    if (!error)
        error = snapshot_of_stopped_thread(site->process, maps, tracee->tid, &regset, 0, &snapshot);
    if (error) {
        error_destroy(error);
        return false;
    }
    const struct memory_slice *stack = &snapshot->threads[0].stack;
    return arch_stub_place(&regset, site->stub.address) == STUB_OUTSIDE &&
           !arch_stack_leads_into_stub(&site->parameters, site->stub.address, stack->bytes,
                                       stack->size);
}

/* What came of the work of a thread that is at home already. Without a region it had no room for
   one, and has taken the reason with it: most likely something else is there by now. */
static int result_of_work(const struct loan_site *site)
{
    int32_t result;
    if (site->parameters.work == LOAN_UNMAP)
        return 0;
    if (loan_region_is_marked(site) &&
        remote_read(site->process, site->parameters.region.mailbox + MAILBOX_CREATE_RESULT, &result,
                    sizeof(result)) == sizeof(result))
        return result;
    return EEXIST;
}

/* Inside pthread_create, or what that called. */
static bool is_creating(const struct loan_site *site)
{
    return site->parameters.work == LOAN_CREATE_THREAD && loan_region_is_marked(site) &&
           !mailbox_says_parked(site);
}

static void note_return(const struct loan_site *site, struct loan_report *report)
{
    report->outcome = LOAN_DONE;
    report->went_alone = true;
    report->result = result_of_work(site);
}

/*
 * Looks at the stopped thread. True when the loan is over; else it must run on.
 */
static bool fetch(struct loan_site *site, struct tracee *tracee, struct error **error,
                  struct loan_report *report)
{
    struct arch_regset regset;
    *error = tracee_get_registers(tracee, &regset);
    if (*error)
        return true;
    switch (arch_stub_place(&regset, site->stub.address)) {
    case STUB_PARKED:
        report->outcome = LOAN_DONE;
        report->result = arch_stub_result(&regset);
        *error = bring_home(site, tracee);
        return true;
    case STUB_OUTSIDE:
        /* Inside pthread_create, in a handler of a signal that the loan lets through, or at home.
         */
        if (is_creating(site) || !loan_thread_is_out(site, tracee))
            return false;
        note_return(site, report);
        return true;
    case STUB_WORKING:
    case STUB_LEAVING:
        break;
    }
    return false;
}

static uint64_t longer(uint64_t us)
{
    return us < LONGEST_US ? 2 * us : us;
}

/*
 * Lets the thread find home by itself, untraced: traced, it stops for each signal until we pass it
 * on, and where signals come faster than it gets a processor that would be all it ever does.
 */
static struct error *leave_alone(struct loan_site *site, struct tracee *tracee, uint64_t us)
{
    tracee_detach(tracee, deadline_after_us(STOP_US));
    pause_us(us);
    return tracee_seize(site->process, tracee->tid, tracee);
}

/* Waits for the stub and fetches the thread. It is at home when outcome is LOAN_DONE. */
static struct error *wait_and_fetch(struct loan_site *site, struct tracee *tracee,
                                    deadline_t deadline, struct loan_report *report)
{
    uint64_t patience = LOOK_AFTER_US, settle = SETTLE_US;
    for (;;) {
        wait_for_work(site, patience);
        struct error *error = tracee_stop(tracee, deadline_after_us(STOP_US));
        if (!error && fetch(site, tracee, &error, report))
            return error;
        if (!error && deadline_passed(deadline)) {
            report->outcome = LOAN_AWAY;
            return NULL;
        }
        /* What is done makes no more waiting: the thread itself needs the time. */
        bool done = work_is_done(site);
        if (!error)
            error = done ? leave_alone(site, tracee, settle) : tracee_continue(tracee);
        if (error && error->kind == ERROR_DEADLINE && !deadline_passed(deadline)) {
            error_destroy(error); /* in a wait of the kernel that cannot be interrupted */
            error = NULL;
        }
        if (error && error->kind == ERROR_NO_PROCESS && done) {
            error_destroy(error); /* at home it had nothing more to do, and ended */
            note_return(site, report);
            return NULL;
        }
        if (error)
            return error;
        if (done)
            settle = longer(settle);
        else
            patience = longer(patience);
    }
}

/* --- The loan. --- */

static struct error *borrow(struct loan_site *site, struct tracee *tracee, deadline_t deadline,
                            struct loan_report *report)
{
    struct error *error = send(site, tracee);
    if (!error) {
        deadline_t home = deadline_after_us(GO_HOME_US);
        error = wait_and_fetch(site, tracee, deadline > home ? deadline : home, report);
    }
    if (!error && report->outcome == LOAN_DONE &&
        (site->parameters.work == LOAN_UNMAP || report->result))
        loan_clear_caves(site, tracee->seized ? tracee->tid : 0);
    return error;
}

static struct error *stop_and_judge(struct loan_site *site, struct tracee *tracee, loan_gate *gate,
                                    void *context, struct loan_report *report)
{
    struct loan_parameters *parameters = &site->parameters;
    struct error *error = tracee_stop(tracee, deadline_after_us(STOP_US));
    if (error)
        return or_refuse(site, error, report,
                         error->kind == ERROR_DEADLINE ? "in an uninterruptible wait of the kernel"
                                                       : "ending");
    if (tracee->group_stopped) {
        refuse(report, "stopped by a signal");
        return NULL;
    }
    error = tracee_get_registers(tracee, &parameters->home);
    if (!error)
        error = tracee_get_signal_mask(tracee, &parameters->home_mask);
    if (error)
        return or_refuse(site, error, report, "ending");
    report->reason = arch_loan_obstacle(site->process, tracee->tid, &parameters->home);
    if (!report->reason && seccomp_is_filtered(site->process, tracee->tid)) {
        report->reason = seccomp_obstacle(site->process, tracee->tid);
        report->for_good = report->reason != NULL;
    }
    if (!report->reason && gate)
        report->reason = gate(context, tracee->tid, &parameters->home);
    return NULL;
}

struct error *loan_try(struct loan_site *site, pid_t tid, enum loan_work work, loan_gate *gate,
                       void *context, deadline_t deadline, struct loan_report *ret)
{
    *ret = (struct loan_report){.outcome = LOAN_REFUSED};
    site->parameters.work = work;
    site->parameters.bootstrap = site->bootstrap.address;
    site->parameters.donor = namespace_tid_of(site->process, tid);
    site->parameters.loan_mask = loan_mask(site->is_musl);

    struct tracee tracee;
    struct error *error = tracee_seize(site->process, tid, &tracee);
    if (error)
        return or_refuse(site, error, ret, "ending");
    uint64_t start = monotonic_us();
    error = stop_and_judge(site, &tracee, gate, context, ret);
    if (!error && !ret->reason) {
        error = borrow(site, &tracee, deadline, ret);
        if (error)
            error = or_refuse(site, error, ret, "ending");
    }
    tracee_detach(&tracee, deadline_after_us(STOP_US));
    ret->stopped_us = monotonic_us() - start;
    return error;
}
