#include "injector/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tells the helper that we have ended; SIGALRM, whose action is the default one, ends it. */
#define ORPHANED_SIGNAL SIGTERM

static volatile sig_atomic_t orphaned;
static _Atomic uint64_t orphan_limit_us; /* 0: none */

static void start_timer(void)
{
    uint64_t us = orphan_limit_us;
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void be_orphan(int signal)
{
    (void)signal;
    orphaned = 1;
    start_timer();
}

bool helper_is_orphan(void)
{
    return orphaned;
}

void helper_limit_orphan(uint64_t us)
{
    orphan_limit_us = us;
    if (orphaned)
        start_timer();
}

/* In the helper, with all signals blocked. */
static void settle(pid_t parent)
{
    struct sigaction action = {.sa_handler = be_orphan, .sa_flags = SA_RESTART};
    sigset_t open;
    sigemptyset(&open);
    sigaddset(&open, ORPHANED_SIGNAL);
    sigaddset(&open, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    if (setpgid(0, 0) || sigaction(ORPHANED_SIGNAL, &action, NULL) ||
        prctl(PR_SET_PDEATHSIG, ORPHANED_SIGNAL) || getppid() != parent)
        _exit(1); /* nothing has been touched yet */
    sigprocmask(SIG_UNBLOCK, &open, NULL);
}

struct error *helper_start(const char *purpose, struct helper *ret)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return error_create(ERROR_PARTIAL, errno, "no pipe for the helper process: %s",
                            strerror(errno));
    /* Ctrl-C at the terminal must end us, and the helper only through us, in good order. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    *ret = (struct helper){.pid = fork(), .alive_fd = -1};
    int errnum = errno;
    if (ret->pid == 0) {
        close(ends[0]);
        settle(parent);
        return NULL;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (ret->pid > 0) {
        ret->alive_fd = ends[0];
        return NULL;
    }
    close(ends[0]);
    return error_create(ERROR_PARTIAL, errnum,
                        "no helper process could be started (%s), so %s; raise the limit of "
                        "processes and try again",
                        strerror(errnum), purpose);
}

void helper_end(struct helper *helper)
{
    /* The kernel releases all tracees before it reports the exit (kernel/exit.c, exit_notify). */
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(helper->alive_fd);
}
