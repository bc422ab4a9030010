/*
 * churn LIBRARY: four threads that each do in turn, at random, what makes a process hard to enter:
 * allocate (parts/churn_memory.c), load and unload a library, create and join threads, fork and
 * exec (churn_processes.c), run restartable sequences and coroutines, send each other signals
 * (churn_flow.c), throw (churn_throws.cc); in between they sleep for a moment. Each takes 1,000
 * signals a second on an alternate stack. Awkward: all of it at once, and nobody is ever asleep for
 * long. All check what they do, and print "bad WHAT" where it went wrong.
 *
 * On standard input: `hold` (all free what they have and stand still; "held"), `go`, `quit` (the
 * sums are compared; "fine COUNTS", or a line "bad").
 */
// BUILD: tests/targets/parts/churn_*.c tests/targets/parts/churn_throws.cc -ldl -lstdc++
#include "tests/targets/parts/churn.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 1000000
#define TICKS_TOLERANCE 50

struct worker workers[WORKERS];
_Thread_local struct worker *self;
const char *library_path;
int mail_signal;

static atomic_bool holding, ending;
static atomic_int standing;
static atomic_long counts[8];
static pthread_barrier_t all_ready;

void churn_bad(const char *what, long value)
{
    char line[128];
    int length = snprintf(line, sizeof(line), "bad %s: %ld\n", what, value);
    if (write(1, line, (size_t)length) < 0)
        abort();
}

unsigned churn_random(unsigned below)
{
    self->random = self->random * 1103515245 + 12345;
    return (self->random >> 8) % below;
}

/* --- Signals. --- */

static void handle(int signal, siginfo_t *info, void *context)
{
    struct worker *worker = self;
    unsigned char here = 0;
    (void)context;
    if ((size_t)(&here - worker->alternate_stack) >= ALTERNATE_STACK)
        churn_bad("signal on the wrong stack", signal);
    if (signal == mail_signal)
        worker->got += (unsigned)info->si_value.sival_int;
    else
        worker->ticks += 1 + info->si_overrun;
    worker->handled++;
}

static void take_signals(void)
{
    stack_t stack = {.ss_sp = self->alternate_stack, .ss_size = ALTERNATE_STACK};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    struct itimerspec every = {{.tv_nsec = TICK_NS}, {.tv_nsec = TICK_NS}};
    int timer;
    sigaltstack(&stack, NULL);
    /* sigev_notify_thread_id, for which not every C library has a name */
    ((int *)&event)[4] = self->tid;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) ||
        syscall(SYS_timer_settime, timer, 0, &every, NULL))
        churn_bad("timer", errno);
}

static void check_ticks(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long expected =
        ((now.tv_sec - since->tv_sec) * 1000000000 + now.tv_nsec - since->tv_nsec) / TICK_NS;
    if (labs(expected - self->ticks) > TICKS_TOLERANCE)
        churn_bad("signals of the timer lost", expected - self->ticks);
}

/* --- Sleeping. --- */

void churn_nap(void)
{
    struct timespec moment = {.tv_nsec = 200000 + 1000 * churn_random(6000)}, until;
    static sem_t never;
    long before = self->handled;
    int result, error;
    errno = PRECIOUS;
    switch (churn_random(4)) {
    case 0:
        result = poll(NULL, 0, 1 + (int)churn_random(6));
        break;
    case 1:
        result = nanosleep(&moment, NULL);
        break;
    case 2:
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec = (until.tv_nsec + moment.tv_nsec) % 1000000000; /* at times at once */
        result = sem_timedwait(&never, &until);
        if (result < 0 && errno == ETIMEDOUT) {
            result = 0;
            errno = PRECIOUS;
        }
        break;
    default:
        error = clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
        result = error ? -1 : 0;
        if (errno != PRECIOUS)
            churn_bad("errno of clock_nanosleep", errno);
        errno = error ? error : PRECIOUS;
    }
    if (!result && errno != PRECIOUS)
        churn_bad("errno", errno);
    else if (result && errno != EINTR)
        churn_bad("end of a sleep", errno);
    else if (result && self->handled == before)
        churn_bad("EINTR without a signal", 0);
}

/* --- The workers. --- */

static void stand_still(void)
{
    churn_free_all();
    standing++;
    while (holding)
        churn_nap();
    standing--;
}

static void throw_something(void)
{
    churn_exceptions(churn_random(1u << 20));
}

static void act(void)
{
    /* Memory most of the time. */
    static void (*const activities[])(void) = {
        churn_memory,    churn_library,    churn_threads, churn_processes,
        churn_sequences, churn_coroutines, churn_mail,    throw_something,
    };
    unsigned which = churn_random(3) ? 0 : churn_random(8);
    errno = PRECIOUS;
    activities[which]();
    counts[which]++;
}

static bool has_input(int ms)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, ms) > 0;
}

/* Until the next word comes. */
static void hold(void)
{
    holding = true;
    while (standing < WORKERS - 1)
        churn_nap();
    churn_free_all();
    puts("held");
    while (!has_input(1))
        ;
    holding = false;
    while (standing) /* so that the next time nobody is counted who is about to go on */
        churn_nap();
}

/* False: the end. */
static bool obey(void)
{
    char letter = 'q'; /* no other word has it */
    if (!has_input(0))
        return true;
    if (read(0, &letter, 1) == 1 && letter == 'h')
        hold();
    return letter != 'q';
}

static void *work(void *worker)
{
    struct timespec start;
    self = worker;
    self->tid = (int)syscall(SYS_gettid);
    self->random = (unsigned)self->number;
    clock_gettime(CLOCK_MONOTONIC, &start);
    take_signals();
    pthread_barrier_wait(&all_ready);
    while (!ending) {
        act();
        churn_nap();
        if (self->number == 0)
            ending = !obey();
        else if (holding)
            stand_still();
    }
    check_ticks(&start);
    pthread_barrier_wait(&all_ready); /* whom signals were sent to may not end before */
    return NULL;
}

static void print_outcome(void)
{
    char line[256] = "fine";
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].got != mailed[i])
            churn_bad("sum of what came with signals", (long)(mailed[i] - workers[i].got));
    if (!churn_sequences_are_right())
        churn_bad("counters of restartable sequences", 0);
    for (int i = 0; i < 8; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " %ld", counts[i]);
    puts(line);
}

int main(int count, char **arguments)
{
    pthread_t threads[WORKERS];
    if (count < 2 || !strcmp(arguments[1], "child"))
        return 43;
    library_path = arguments[1];
    mail_signal = SIGRTMIN + 2;
    struct sigaction action = {.sa_sigaction = handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigaction(mail_signal, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_barrier_init(&all_ready, NULL, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        workers[i].number = i;
    for (int i = 1; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, &workers[i]);
    puts("ready");
    work(&workers[0]);
    for (int i = 1; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    print_outcome();
}
