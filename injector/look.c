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

/*
 * How often the thread was put on a processor: the third field of schedstat (sched_info.pcount,
 * Documentation/scheduler/sched-stats.rst), which a thread that ever ran has; where that is not
 * kept, its context switches, which it does not sleep without.
 */
static uint64_t read_runs(const struct process *process, pid_t tid)
{
    char text[128], voluntary[32], forced[32];
    unsigned long long runs;
    if (read_start(process, tid, "schedstat", text, sizeof(text)) &&
        sscanf(text, "%*u %*u %llu", &runs) == 1 && runs)
        return runs;
    if (!process_status_field(process, tid, "voluntary_ctxt_switches", voluntary,
                              sizeof(voluntary)) ||
        !process_status_field(process, tid, "nonvoluntary_ctxt_switches", forced, sizeof(forced)))
        return 0;
    return strtoull(voluntary, NULL, 10) + strtoull(forced, NULL, 10);
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
    ret->runs = read_runs(process, tid);
    read_start(process, tid, "syscall", ret->call, sizeof(ret->call));
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
    /* The other way round: a run before the counter is read shows in it. */
    char call[sizeof(before->call)];
    return before->asleep && read_start(process, before->tid, "syscall", call, sizeof(call)) &&
           !strcmp(call, before->call) && read_runs(process, before->tid) == before->runs;
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
