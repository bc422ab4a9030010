#include "injector/look.h"

#include "injector/cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* PF_IO_WORKER and PF_USER_WORKER of the kernel's include/linux/sched.h (5.12, 6.4), as field 9 of
   /proc/TID/stat shows them. */
#define WORKER_FLAGS (0x00000010 | 0x00004000)

/* Reads the start of a file of a thread; false when there is nothing to read. */
static bool read_start(const struct process *process, pid_t tid, const char *name, char *buffer,
                       size_t size)
{
    buffer[0] = '\0';
    CLEANUP_CLOSE int fd = process_open_file(process, tid, name, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buffer, size - 1);
    if (n <= 0)
        return false;
    buffer[n] = '\0';
    return true;
}

static const char counter_file[] = "schedstat";
#define COUNTER_TEXT 128

/* 0: it shows none. */
static uint64_t parse_counter(const char *text)
{
    unsigned long long runs;
    return sscanf(text, "%*u %*u %llu", &runs) == 1 ? runs : 0;
}

/* Its context switches, which it does not sleep without. 0: unknown. */
static uint64_t read_switches(const struct process *process, pid_t tid)
{
    char voluntary[32], forced[32];
    if (!process_status_field(process, tid, "voluntary_ctxt_switches", voluntary,
                              sizeof(voluntary)) ||
        !process_status_field(process, tid, "nonvoluntary_ctxt_switches", forced, sizeof(forced)))
        return 0;
    return strtoull(voluntary, NULL, 10) + strtoull(forced, NULL, 10);
}

/*
 * How often the thread was put on a processor: the third field of schedstat (sched_info.pcount,
 * Documentation/scheduler/sched-stats.rst), which a thread that ever ran has. Where that is not
 * kept, how often it left one: one that is awake again has not been counted yet.
 */
static uint64_t read_runs(const struct process *process, pid_t tid, bool *by_switches)
{
    char text[COUNTER_TEXT];
    uint64_t runs = 0;
    if (read_start(process, tid, counter_file, text, sizeof(text)))
        runs = parse_counter(text);
    *by_switches = !runs;
    return runs ? runs : read_switches(process, tid);
}

static void read_call(const struct process *process, pid_t tid, char call[CALL_TEXT])
{
    read_start(process, tid, "syscall", call, CALL_TEXT);
}

/* The kernel itself makes sure that the registers it prints are those of a thread off the
   processor (lib/syscall.c, task_current_syscall); else it says "running". */
static bool is_asleep(const char *call)
{
    return isdigit((unsigned char)call[0]) || call[0] == '-';
}

static bool parse_stat(const char *text, struct look *ret)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    unsigned long flags;
    unsigned long long start_time;
    if (!open || !close ||
        sscanf(close + 1,
               " %c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ret->state, &flags, &start_time) != 3)
        return false;
    ret->start_time = start_time;
    ret->worker = flags & WORKER_FLAGS;
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(close - open - 1), open + 1);
    for (char *p = ret->name; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
    return true;
}

/* State, name and flags alone. */
static bool glance(const struct process *process, pid_t tid, struct look *ret)
{
    char text[1024];
    return read_start(process, tid, "stat", text, sizeof(text)) && parse_stat(text, ret);
}

bool look_at_thread(const struct process *process, pid_t tid, struct look *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->tid = tid;
    if (!glance(process, tid, ret))
        return false;
    if (ret->worker || ret->state == 'Z' || ret->state == 'X')
        return ret->state != 'X';
    /* The counter first: a run between the two reads shows at the second look. */
    ret->runs = read_runs(process, tid, &ret->by_switches);
    read_call(process, tid, ret->call);
    ret->asleep = ret->runs && is_asleep(ret->call);
    return true;
}

bool look_is_worker(const struct process *process, pid_t tid)
{
    struct look look;
    return glance(process, tid, &look) && look.worker;
}

bool look_sleeps_uninterruptibly(const struct process *process, pid_t tid)
{
    struct look look;
    return glance(process, tid, &look) && look.state == 'D';
}

bool look_proves_sleep(const struct process *process, const struct look *before)
{
    char call[CALL_TEXT];
    bool by_switches;
    if (!before->asleep)
        return false;
    /* One that was off the processor then comes onto it to run, and is counted. That it left it is
       counted late: it is to sleep as before, and have left it as often when that was seen. */
    if (before->by_switches) {
        read_call(process, before->tid, call);
        if (strcmp(call, before->call) != 0)
            return false;
    }
    return read_runs(process, before->tid, &by_switches) == before->runs &&
           by_switches == before->by_switches;
}

bool look_slept_on(const struct process *process, const struct look *before)
{
    struct look now;
    /* The start time second: who has the id after the counter was read had it before. */
    return look_proves_sleep(process, before) && glance(process, before->tid, &now) &&
           now.start_time == before->start_time;
}

bool look_counter_stands(int counter, const struct look *before)
{
    char text[COUNTER_TEXT];
    ssize_t n = pread(counter, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return before->asleep && parse_counter(text) == before->runs;
}

int look_open_counter(const struct process *process, const struct look *before)
{
    int counter = process_open_file(process, before->tid, counter_file, O_RDONLY);
    if (counter < 0)
        return -1;
    /* While the id is still this thread's, so is what was opened by it. */
    if (look_counter_stands(counter, before) && look_slept_on(process, before))
        return counter;
    close(counter);
    return -1;
}

void look_name(const struct process *process, const struct look *before, char *buffer, size_t size)
{
    struct look now;
    if (glance(process, before->tid, &now) && now.start_time == before->start_time)
        snprintf(buffer, size, "%s", now.name);
}

bool look_registers(const struct look *look, struct thread_snapshot *ret)
{
    uint64_t sp, pc;
    uint64_t *a = ret->syscall_arguments;
    long number;
    int n = sscanf(look->call, "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx", &number,
                   &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &sp, &pc);
    if (n == 3 && number == -1) {
        sp = a[0];
        pc = a[1];
        memset(a, 0, sizeof(ret->syscall_arguments));
    } else if (n != 9) {
        return false;
    }
    /* A thread without a stack of its own shows zeros. */
    if (!pc)
        return false;
    ret->in_syscall = true;
    ret->syscall_number = number;
    arch_registers_from_syscall(number, a, sp, pc, &ret->registers);
    return true;
}

void look_wait_channel(const struct process *process, pid_t tid, char *buffer, size_t size)
{
    if (!read_start(process, tid, "wchan", buffer, size) || !strcmp(buffer, "0"))
        buffer[0] = '\0';
}
