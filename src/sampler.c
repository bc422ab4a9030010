#include "src/sampler.h"

#include "injector/deadline.h"
#include "src/message.h"
#include "src/progress.h"
#include "src/save.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* How long a process may be no target between two samples. */
#define PATIENCE_US 1000000

/* Set by the first SIGINT or SIGTERM. */
static volatile sig_atomic_t stop_wanted;

static void want_stop(int number)
{
    (void)number;
    stop_wanted = 1;
}

/* What ends us, normally at once: while we sample, the first one only sets stop_wanted. */
struct stop_signals {
    struct sigaction interrupt, terminate;
};

/* One that our caller ignores (nohup and the like) stays ignored. */
static void catch_one(int number, struct sigaction *before)
{
    /* SA_RESETHAND: the second one has its usual effect. */
    const struct sigaction catching = {.sa_handler = want_stop,
                                       .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(number, NULL, before);
    if (before->sa_handler != SIG_IGN)
        sigaction(number, &catching, NULL);
}

static void catch_stop_signals(struct stop_signals *before)
{
    stop_wanted = 0;
    catch_one(SIGINT, &before->interrupt);
    catch_one(SIGTERM, &before->terminate);
}

static void restore_stop_signals(const struct stop_signals *before)
{
    sigaction(SIGINT, &before->interrupt, NULL);
    sigaction(SIGTERM, &before->terminate, NULL);
}

/* Until the moment, or until a signal asks to stop. */
static void wait_until(deadline_t moment)
{
    sigset_t stopping, before;
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGINT);
    sigaddset(&stopping, SIGTERM);
    /* Blocked from the question to the wait, which lets them in: none is missed in between. */
    sigprocmask(SIG_BLOCK, &stopping, &before);
    for (uint64_t left; !stop_wanted && (left = deadline_left_us(moment)) > 0;) {
        const struct timespec time = {.tv_sec = (time_t)(left / 1000000),
                                      .tv_nsec = (long)(left % 1000000) * 1000};
        /* Woken early or not, the clock is asked again. */
        ppoll(NULL, 0, &time, &before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Ends the looks at a target; what there is of it stays. */
static void fail(struct sampled *sampled, const struct options *options, struct error *error)
{
    size_t count = sampled->samples ? sampled->samples->count : 0;
    sampled->status = message_error(error);
    sampled->ended = true;
    if (count > 0)
        message_note("process %d: %zu of %zu samples were taken before that", sampled->process->pid,
                     count, options->dump.count);
}

/*
 * In the middle of an execve(2) or of its end a process has no memory for a moment, and is no
 * target then; soon it is one again, or gone.
 */
static struct error *look_when_there(struct sampled *sampled, const struct options *options,
                                     struct report **ret)
{
    static const struct timespec moment = {.tv_nsec = 1000 * 1000};
    deadline_t deadline = deadline_after_us(PATIENCE_US);
    for (;;) {
        struct error *error = report_create(sampled->process, &options->dump, sampled->report, ret);
        if (!error || error->kind != ERROR_UNSUPPORTED || !sampled->report ||
            deadline_passed(deadline))
            return error;
        error_destroy(error);
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
    }
}

static struct error *look(struct sampled *sampled, const struct options *options)
{
    struct report *report;
    struct error *error = look_when_there(sampled, options, &report);
    if (error)
        return error;
    report_destroy(sampled->report);
    sampled->report = report;
    sampled->whole |= !report->partial;
    if (!sampled->samples)
        error = samples_create(sampled->process->pid, &sampled->samples);
    return error ? error : samples_add(sampled->samples, report);
}

/* Returns how many targets are still there. */
static size_t look_at_all(struct sampled *sampled, const struct options *options)
{
    size_t living = 0;
    for (size_t i = 0; i < options->target_count; i++) {
        if (sampled[i].ended)
            continue;
        struct error *error = look(&sampled[i], options);
        if (error)
            fail(&sampled[i], options, error);
        else
            living++;
    }
    return living;
}

static void sample(struct sampled *sampled, const struct options *options,
                   struct progress *progress)
{
    deadline_t moment = 0;
    for (size_t i = 0; i < options->dump.count && !stop_wanted; i++) {
        progress_update(progress, "sample %zu of %zu", i + 1, options->dump.count);
        if (!look_at_all(sampled, options))
            return;
        /* The first look opens files and takes longer: the clock runs from its end. One that took
           longer than the interval puts all later ones off: they do not bunch. */
        moment =
            i ? moment + options->dump.interval_us : deadline_after_us(options->dump.interval_us);
        if (deadline_passed(moment))
            moment = monotonic_us();
        if (i + 1 < options->dump.count)
            wait_until(moment);
    }
}

/* Only the last look is shown with what its threads wait for. */
static void find_waits(struct sampled *sampled)
{
    struct error *error = report_find_waits(sampled->report);
    if (!error)
        return;
    sampled->status = message_error(error);
    report_destroy(sampled->report);
    sampled->report = NULL;
}

/* A status that says why nothing more came becomes "done in part", since there is something. */
static void finish(struct sampled *sampled)
{
    if (!sampled->samples)
        return;
    snapshot_refresh_names(sampled->report->snapshot);
    samples_rename(sampled->samples, sampled->report->snapshot);
    samples_sort(sampled->samples);
    /* A thread that one look of many missed is shown by the others. */
    if (sampled->status || !sampled->whole)
        sampled->status = ERROR_PARTIAL;
    for (size_t i = 0; i < sampled->report->thread_count; i++) {
        struct report_thread *thread = &sampled->report->threads[i];
        thread->samples = samples_find(sampled->samples, thread->thread);
    }
    sampled->report->samples = sampled->samples;
    find_waits(sampled);
}

/* A counter is kept open for every thread that sleeps (injector/sleepers.h): as many files as the
   administrator lets us have, not as many as a shell thinks that select(2) can take. */
static void allow_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max;
    /* Refused or not: with fewer each look opens what it reads. */
    setrlimit(RLIMIT_NOFILE, &files);
}

struct error *sampler_run(const struct options *options, struct sampled **ret)
{
    struct sampled *sampled = calloc(options->target_count, sizeof(*sampled));
    if (!sampled)
        return error_no_memory();
    allow_open_files();
    for (size_t i = 0; i < options->target_count; i++) {
        struct error *error =
            save_open_target(options->targets[i].pid, &options->dump, &sampled[i].process);
        if (error)
            fail(&sampled[i], options, error);
    }
    struct stop_signals before;
    catch_stop_signals(&before);
    struct progress *progress = progress_start("looking");
    sample(sampled, options, progress);
    progress_end(progress);
    restore_stop_signals(&before);
    for (size_t i = 0; i < options->target_count; i++)
        finish(&sampled[i]);
    *ret = sampled;
    return NULL;
}

void sampler_destroy(struct sampled *sampled, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        samples_destroy(sampled[i].samples);
        report_destroy(sampled[i].report);
        process_close(sampled[i].process);
    }
    free(sampled);
}
