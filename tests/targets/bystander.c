/*
 * bystander REPORT ROLE: does, in a thread for each, what is easily disturbed, and checks it:
 * computes with vector registers, sleeps for a time in various calls, takes numbered signals in
 * calls and in computations. The main thread has the ROLE, so that this is what is borrowed.
 * Awkward: each call must take as long as it was told to, none may end early, and each signal must
 * come once, whoever dies at whatever moment.
 *
 * Prints "bad WHAT" for what went wrong. REPORT is a file that holds, at each moment, one line: the
 * number of rounds of each thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLEEP_MS 240
#define TOLERANCE_NS \
    120000000L /* beyond what it waited for a processor: the longest pause, mainly */
#define SIGNAL SIGRTMIN

typedef double vector __attribute__((vector_size(32)));

static struct timespec asleep = {.tv_nsec = SLEEP_MS * 1000000L};
static struct epoll_event event;
static int word, pipe_end;
static __thread int epoll_fd, schedstat_fd, expected; /* the number of the next signal */
static __thread _Atomic int *taken;
static double computed_first;

static void bad(const char *what, long number)
{
    dprintf(STDOUT_FILENO, "bad %s: %ld\n", what, number); /* in handlers, too */
}

/* Each thread is sent its own numbers. */
static void take(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    int error = errno;
    if (info->si_value.sival_int != expected)
        bad("signal", info->si_value.sival_int - expected);
    expected = info->si_value.sival_int + 1;
    ++*taken;
    errno = error;
}

/* The sum lives in vector registers all the while. */
__attribute__((noinline, target("avx"))) static double checksum(void)
{
    vector sums[4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}, {13, 14, 15, 16}};
    for (int i = 0; i < 200000; i++)
        for (int j = 0; j < 4; j++)
            sums[j] = sums[j] * 0.999 + sums[(j + 1) % 4] * 0.001 + i;
    vector sum = sums[0] + sums[1] + sums[2] + sums[3];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static long compute(void)
{
    for (int i = 0; i < 4; i++) {
        double result = checksum();
        if (memcmp(&result, &computed_first, sizeof(result)) != 0)
            bad("checksum", 0);
    }
    return usleep(4000), 0; /* others want the processor too; signals may end it */
}
static long in_nanosleep(void)
{
    return nanosleep(&asleep, NULL);
}
static long in_poll(void)
{
    return poll(&(struct pollfd){pipe_end, POLLIN, 0}, 1, SLEEP_MS);
}
/* Its time-out begins anew after a stop (CAVEATS in manhole-attach(1)). */
static long in_epoll(void)
{
    return epoll_wait(epoll_fd, &event, 1, SLEEP_MS);
}
static long in_futex(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &asleep, NULL, 0) == -1 && errno == ETIMEDOUT
               ? 0
               : -1;
}
/* With signals: restarted after each, so it never returns. */
static long in_read(void)
{
    char byte;
    return read(pipe_end, &byte, 1);
}
/* With signals: each ends it, and nothing else does. */
static long in_epoll_with_signals(void)
{
    int before = expected;
    long result = epoll_wait(epoll_fd, &event, 1, -1);
    return result == -1 && errno == EINTR && expected != before ? 0 : -1;
}

static struct role {
    const char *name;
    long (*round)(void);
    bool timed;                /* else it takes signals */
    _Atomic int rounds, taken; /* signals */
    int sent;
    pthread_t thread;
} roles[] = {
    {.name = "nanosleep", .round = in_nanosleep, .timed = true},
    {.name = "poll", .round = in_poll, .timed = true},
    {.name = "epoll", .round = in_epoll, .timed = true},
    {.name = "futex", .round = in_futex, .timed = true},
    {.name = "compute", .round = compute},
    {.name = "read", .round = in_read},
    {.name = "signals", .round = in_epoll_with_signals},
};
#define ROLES (sizeof(roles) / sizeof(roles[0]))
static pthread_barrier_t all_ready;

/* How long this thread was ready and got no processor (ns). */
static long waited(void)
{
    char text[128] = "";
    long ran, waits = 0;
    if (pread(schedstat_fd, text, sizeof(text) - 1, 0) > 0)
        sscanf(text, "%ld %ld", &ran, &waits);
    return waits;
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

_Noreturn static void *play(void *argument)
{
    struct role *role = argument;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGNAL);
    role->thread = pthread_self();
    taken = &role->taken;
    epoll_fd = epoll_create1(0);
    schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY);
    pthread_sigmask(role->timed ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
    pthread_barrier_wait(&all_ready);
    for (;; role->rounds++) {
        long waits = waited(), start = now();
        long result = role->round();
        int error = errno;
        long took = now() - start - SLEEP_MS * 1000000L;
        if (result)
            bad(role->name, error);
        else if (role->timed && took < -1000000)
            bad("early", took);
        else if (role->timed && role->round != in_epoll && took - (waited() - waits) > TOLERANCE_NS)
            bad("late", took);
    }
}

/* Sends the signals, and reports what each thread has done. */
static void send_signals(int report)
{
    for (;;) {
        char line[ROLES * 12 + 2] = "";
        for (size_t i = 0; i < ROLES; i++) {
            struct role *role = &roles[i];
            union sigval value = {.sival_int = role->sent};
            if (!role->timed && !pthread_sigqueue(role->thread, SIGNAL, value))
                role->sent++;
            sprintf(line + strlen(line), "%10d ", role->timed ? role->rounds : role->taken);
        }
        strcat(line, "\n");
        (void)!pwrite(report, line, strlen(line), 0);
        usleep(2000);
    }
}

static void *send_from(void *argument)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_barrier_wait(&all_ready);
    printf("ready\n");
    fflush(stdout);
    send_signals(*(int *)argument);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
    int ends[2], report = argc == 3 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    pthread_t sender;
    if (report < 0 || pipe(ends))
        return 2;
    pipe_end = ends[0];
    computed_first = checksum();
    sigaction(SIGNAL, &action, NULL);
    pthread_barrier_init(&all_ready, NULL, ROLES + 1);
    struct role *own = NULL;
    for (size_t i = 0; i < ROLES; i++) {
        if (strcmp(roles[i].name, argv[2]) == 0)
            own = &roles[i];
        else if (pthread_create(&roles[i].thread, NULL, play, &roles[i]))
            return 2;
    }
    if (!own || pthread_create(&sender, NULL, send_from, &report))
        return 2;
    play(own);
}
