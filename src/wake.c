#include "src/wake.h"

#include "injector/deadline.h"
#include "src/signal_names.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 20

/* Is the signal in a mask of /proc/PID/status, such as SigCgt? */
static bool in_mask(const struct process *process, const char *field, int signal)
{
    char mask[32];
    return process_status_field(process, 0, field, mask, sizeof(mask)) &&
           strtoull(mask, NULL, 16) >> (signal - 1) & 1;
}

/* Nobody's handler is called by a guess: the manhole's own word decides, where we may read it. */
static struct error *check_signal(const struct process *process, int signal,
                                  const struct manhole_place *place)
{
    char names[128];
    signal_names(place->wakes_on, names, sizeof(names));
    if (place->sleeps && !(place->wakes_on >> (signal - 1) & 1))
        return error_create(ERROR_STATE, 0,
                            "process %d: its manhole sleeps until %s; SIG%s was not sent",
                            process->pid, *names ? names : "the program calls manhole_activate",
                            signal_name(signal));
    if (!place->loaded)
        return error_create(ERROR_STATE, 0,
                            "process %d: no manhole is installed; SIG%s was not sent: attach "
                            "without it to install one",
                            process->pid, signal_name(signal));
    if (!in_mask(process, "SigCgt", signal))
        return error_create(ERROR_STATE, 0,
                            "process %d: it does not catch SIG%s%s; not sent: give the signal that "
                            "its manhole was installed with (--activate-on, --oneshot-on)",
                            process->pid, signal_name(signal),
                            in_mask(process, "SigIgn", signal) ? ", and ignores it"
                                                               : ", which may end it");
    return NULL;
}

/* To this very process, not to a later one with its pid, where the kernel has pidfds. */
static struct error *send_signal(const struct process *process, int signal)
{
    long status = process->pid_fd >= 0
                      ? syscall(SYS_pidfd_send_signal, process->pid_fd, signal, NULL, 0)
                      : -1;
    if (status < 0 && (process->pid_fd < 0 || errno == ENOSYS))
        status = process_alive(process) ? kill(process->pid, signal) : -1;
    if (status == 0)
        return NULL;
    if (errno == EPERM)
        return error_create(ERROR_NOT_PERMITTED, EPERM,
                            "process %d: SIG%s may not be sent: it is another user's; run as its "
                            "user or as root",
                            process->pid, signal_name(signal));
    int errnum = errno;
    struct error *error = process_check_alive(process);
    return error ? error
                 : error_create(ERROR_PARTIAL, errnum, "process %d: SIG%s cannot be sent: %s",
                                process->pid, signal_name(signal), strerror(errnum));
}

/* Sent, and nobody listens. */
static struct error *explain_silence(const struct process *process, int signal, uint64_t timeout_us)
{
    char state[32] = "";
    process_status_field(process, 0, "State", state, sizeof(state));
    const char *why = *state == 'T' || *state == 't' ? ": the process is stopped"
                      : in_mask(process, "ShdPnd", signal)
                          ? ": no thread has taken the signal yet, all of them may block it"
                          : "; is it another signal that its manhole waits for?";
    return error_create(ERROR_DEADLINE, 0,
                        "process %d: SIG%s was sent, but nothing listens after %g s%s; -t SECONDS "
                        "waits longer",
                        process->pid, signal_name(signal), (double)timeout_us / 1e6, why);
}

struct error *wake_manhole(const struct process *process, int signal, uint64_t timeout_us,
                           struct manhole_place *ret)
{
    struct error *error = locate_manhole(process, ret);
    if (error || ret->listening)
        return error;
    error = check_signal(process, signal, ret);
    if (!error)
        error = send_signal(process, signal);
    deadline_t deadline = deadline_after_us(timeout_us);
    while (!error) {
        error = locate_manhole(process, ret);
        /* Of one that ends meanwhile anything may be missing: the end is the cause. */
        struct error *ended = process_check_alive(process);
        if (ended) {
            error_destroy(error);
            return ended;
        }
        if (error || ret->listening)
            return error;
        if (deadline_passed(deadline))
            return explain_silence(process, signal, timeout_us);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return error;
}
