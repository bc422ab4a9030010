#include "src/syscalls.h"

#include "src/message.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

static const char *const names[] = {
#include "syscall_names.inc"
};

const char *syscall_name(long number)
{
    if (number < 0 || (size_t)number >= sizeof(names) / sizeof(names[0]))
        return NULL;
    return names[number];
}

/*
 * The arguments of the calls that threads block in, and of some others, as "name:kind" in order
 * (man-pages section 2). Kinds:
 *   fd    descriptor with its link text     dfd   the same, or AT_FDCWD
 *   p     address                           x     bits, in hexadecimal
 *   d     int                               u     unsigned long
 *   w     unsigned int
 *   ms    int, milliseconds; -1: for ever   ts    struct timespec: how long; NULL: for ever
 *   tv    struct timeval, the same          abs   struct timespec: until when
 *   clk   clock                             tsf   struct timespec: until when if the argument
 *   sig   signal                                  before it has TIMER_ABSTIME, else how long
 *   set   address of a signal set           str   address of a string
 *   poll  struct pollfd[], length after it  fds   fd_set, its length is the first argument
 *   -     not worth showing
 */
struct signature {
    const char *name;
    const char *arguments;
};

static const struct signature signatures[] = {
    {"accept", "fd:fd addr:p addrlen:p"},
    {"accept4", "fd:fd addr:p addrlen:p flags:x"},
    {"clock_nanosleep", "clock:clk flags:- time:tsf remain:-"},
    {"close", "fd:fd"},
    {"connect", "fd:fd addr:p addrlen:d"},
    {"copy_file_range", "from:fd off_in:p to:fd off_out:p len:u flags:x"},
    {"epoll_pwait", "epfd:fd events:p maxevents:d timeout:ms sigmask:set"},
    {"epoll_pwait2", "epfd:fd events:p maxevents:d timeout:ts sigmask:set"},
    {"epoll_wait", "epfd:fd events:p maxevents:d timeout:ms"},
    {"execve", "path:str argv:p envp:p"},
    {"exit", "status:d"},
    {"exit_group", "status:d"},
    {"fallocate", "fd:fd mode:x offset:u len:u"},
    {"fcntl", "fd:fd cmd:d arg:x"},
    {"fdatasync", "fd:fd"},
    {"flock", "fd:fd operation:x"},
    {"fsync", "fd:fd"},
    {"ftruncate", "fd:fd length:u"},
    {"futex_wait", "uaddr:p val:x mask:x flags:x timeout:abs clock:clk"},
    {"getdents64", "fd:fd buf:p count:u"},
    {"getrandom", "buf:p len:u flags:x"},
    {"inotify_add_watch", "fd:fd path:str mask:x"},
    {"io_getevents", "ctx:x min_nr:d nr:d events:p timeout:ts"},
    {"io_pgetevents", "ctx:x min_nr:d nr:d events:p timeout:ts sig:p"},
    {"io_uring_enter", "fd:fd to_submit:d min_complete:d flags:x sig:set"},
    {"ioctl", "fd:fd request:x arg:x"},
    {"lseek", "fd:fd offset:d whence:d"},
    {"madvise", "addr:p len:u advice:d"},
    {"membarrier", "cmd:d flags:x"},
    {"mmap", "addr:p len:u prot:x flags:x fd:d offset:u"},
    {"mprotect", "addr:p len:u prot:x"},
    {"mq_timedreceive", "mqdes:fd msg:p len:u prio:p timeout:abs"},
    {"mq_timedsend", "mqdes:fd msg:p len:u prio:d timeout:abs"},
    {"msgrcv", "msqid:d msgp:p size:u type:d flags:x"},
    {"msgsnd", "msqid:d msgp:p size:u flags:x"},
    {"msync", "addr:p len:u flags:x"},
    {"munmap", "addr:p len:u"},
    {"nanosleep", "time:ts remain:-"},
    {"open", "path:str flags:x"},
    {"openat", "dir:dfd path:str flags:x"},
    {"pause", ""},
    {"poll", "fds:poll nfds:u timeout:ms"},
    {"ppoll", "fds:poll nfds:u timeout:ts sigmask:set"},
    {"pread64", "fd:fd buf:p count:u offset:u"},
    {"preadv", "fd:fd iov:p iovcnt:d offset:u"},
    {"preadv2", "fd:fd iov:p iovcnt:d offset:u"},
    {"pselect6", "nfds:d read:fds write:fds except:fds timeout:ts"},
    {"pwrite64", "fd:fd buf:p count:u offset:u"},
    {"pwritev", "fd:fd iov:p iovcnt:d offset:u"},
    {"read", "fd:fd buf:p count:u"},
    {"readv", "fd:fd iov:p iovcnt:d"},
    {"recvfrom", "fd:fd buf:p len:u flags:x"},
    {"recvmmsg", "fd:fd msgs:p vlen:d flags:x timeout:ts"},
    {"recvmsg", "fd:fd msg:p flags:x"},
    {"rt_sigsuspend", "mask:set"},
    {"rt_sigtimedwait", "set:set info:p timeout:ts"},
    {"sched_yield", ""},
    {"select", "nfds:d read:fds write:fds except:fds timeout:tv"},
    {"semop", "semid:d sops:p nsops:u"},
    {"semtimedop", "semid:d sops:p nsops:u timeout:ts"},
    {"sendfile", "out:fd in:fd offset:p count:u"},
    {"sendmmsg", "fd:fd msgs:p vlen:d flags:x"},
    {"sendmsg", "fd:fd msg:p flags:x"},
    {"sendto", "fd:fd buf:p len:u flags:x"},
    {"shutdown", "fd:fd how:d"},
    {"splice", "in:fd off_in:p out:fd off_out:p len:u flags:x"},
    {"stat", "path:str buf:p"},
    {"sync", ""},
    {"tee", "in:fd out:fd len:u flags:x"},
    {"tgkill", "tgid:d tid:d sig:sig"},
    {"unlink", "path:str"},
    {"userfaultfd", "flags:x"},
    {"vfork", ""},
    {"vmsplice", "fd:fd iov:p nr_segs:u flags:x"},
    {"wait4", "pid:d status:p options:x rusage:-"},
    {"waitid", "idtype:d id:d info:p options:x"},
    {"write", "fd:fd buf:p count:u"},
    {"writev", "fd:fd iov:p iovcnt:d"},
};

static const char *find_signature(const char *name)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (strcmp(signatures[i].name, name) == 0)
            return signatures[i].arguments;
    }
    return NULL;
}

/* Text that grows up to the size of the caller's buffer and is cut there. */
struct text {
    char *buffer;
    size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->buffer + text->used, text->size - text->used, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->used += (size_t)length;
    if (text->used >= text->size)
        text->used = text->size - 1;
}

static void add_fd(struct text *text, const struct process *process, int fd)
{
    add(text, "%d", fd);
    if (fd < 0)
        return;
    /* Of a live thread: a zombie leader's own /proc/PID/fd is empty. */
    char path[64], link[512], clean[512];
    snprintf(path, sizeof(path), "%d/fd/%d", process->live_tid, fd);
    ssize_t length = readlinkat(process->task_fd, path, link, sizeof(link) - 1);
    if (length < 0)
        return;
    link[length] = '\0';
    add(text, " <%s>", message_sanitize(link, clean, sizeof(clean)));
}

/* "100 ms", "1.5 s", "20 min": a length of time with three digits or so. */
static void add_duration(struct text *text, int64_t seconds, int64_t nanoseconds)
{
    double total = (double)seconds + (double)nanoseconds / 1e9;
    if (total >= 86400 * 3)
        add(text, "%.4g days", total / 86400);
    else if (total >= 3600 * 3)
        add(text, "%.4g h", total / 3600);
    else if (total >= 60 * 3)
        add(text, "%.4g min", total / 60);
    else if (total >= 1 || total == 0)
        add(text, "%.4g s", total);
    else if (total >= 1e-3)
        add(text, "%.4g ms", total * 1e3);
    else if (total >= 1e-6)
        add(text, "%.4g us", total * 1e6);
    else
        add(text, "%.4g ns", total * 1e9);
}

/* struct timespec and struct timeval of a 64-bit target: two 64-bit words. */
static bool read_time(const struct process *process, uint64_t address, int64_t value[2])
{
    return remote_read(process, address, value, 2 * sizeof(*value)) == 2 * sizeof(*value);
}

static void add_timeout(struct text *text, const struct process *process, const char *name,
                        uint64_t address, int64_t nanoseconds_per_unit)
{
    int64_t value[2];
    if (address == 0) {
        add(text, "no timeout");
    } else if (read_time(process, address, value)) {
        add(text, "%s ", name);
        add_duration(text, value[0], value[1] * nanoseconds_per_unit);
    } else {
        add(text, "%s 0x%" PRIx64, name, address);
    }
}

static const char *clock_name(int clock)
{
    static const char *const clocks[] = {"REALTIME",
                                         "MONOTONIC",
                                         "PROCESS_CPUTIME",
                                         "THREAD_CPUTIME",
                                         "MONOTONIC_RAW",
                                         "REALTIME_COARSE",
                                         "MONOTONIC_COARSE",
                                         "BOOTTIME",
                                         "REALTIME_ALARM",
                                         "BOOTTIME_ALARM",
                                         NULL,
                                         "TAI"};
    if (clock < 0 || (size_t)clock >= sizeof(clocks) / sizeof(clocks[0]))
        return NULL;
    return clocks[clock];
}

/*
 * A moment. That of the wall clock as a date; others, which may be those of the target's own time
 * namespace, as what they count.
 */
static void add_moment(struct text *text, const struct process *process, uint64_t address,
                       int clock)
{
    int64_t value[2];
    struct tm tm;
    char date[64];
    if (address == 0) {
        add(text, "no timeout");
        return;
    }
    if (!read_time(process, address, value)) {
        add(text, "until *0x%" PRIx64, address);
        return;
    }
    time_t seconds = value[0];
    if (clock == CLOCK_REALTIME && gmtime_r(&seconds, &tm) &&
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) > 0) {
        add(text, "until %s.%03dZ", date, (int)(value[1] / 1000000));
        return;
    }
    const char *name = clock_name(clock);
    add(text, "until %" PRId64 ".%03d s of the clock %s", value[0], (int)(value[1] / 1000000),
        name ? name : "?");
}

static void add_signal(struct text *text, int number)
{
    const char *name = number > 0 && number < SIGRTMIN ? sigabbrev_np(number) : NULL;
    if (name)
        add(text, "SIG%s", name);
    else
        add(text, "%d", number);
}

/* The kernel's signal set: 64 bits, bit n-1 for signal n. Only short ones are spelled out. */
static void add_signal_set(struct text *text, const struct process *process, uint64_t address)
{
    uint64_t set;
    if (address == 0) {
        add(text, "NULL");
        return;
    }
    if (remote_read(process, address, &set, sizeof(set)) != sizeof(set)) {
        add(text, "0x%" PRIx64, address);
        return;
    }
    bool inverted = __builtin_popcountll(set) > 32;
    uint64_t listed = inverted ? ~set : set;
    if (__builtin_popcountll(listed) > 8) {
        add(text, "{0x%016" PRIx64 "}", set);
        return;
    }
    add(text, inverted ? (listed ? "{all but" : "{all") : "{");
    const char *separator = inverted ? " " : "";
    for (int number = 1; number <= 64; number++) {
        if (!(listed >> (number - 1) & 1))
            continue;
        add(text, "%s", separator);
        add_signal(text, number);
        separator = " ";
    }
    add(text, "}");
}

static void add_string(struct text *text, const struct process *process, uint64_t address)
{
    char string[256], clean[256];
    if (address && remote_read_string(process, address, string, sizeof(string)))
        add(text, "\"%s\"", message_sanitize(string, clean, sizeof(clean)));
    else
        add(text, "0x%" PRIx64, address);
}

enum { FDS_SHOWN = 4 };

static void add_pollfds(struct text *text, const struct process *process, uint64_t address,
                        uint64_t count)
{
    struct pollfd fds[FDS_SHOWN];
    size_t shown = count < FDS_SHOWN ? count : FDS_SHOWN;
    if (remote_read(process, address, fds, shown * sizeof(*fds)) != shown * sizeof(*fds)) {
        add(text, "0x%" PRIx64, address);
        return;
    }
    add(text, "[");
    for (size_t i = 0; i < shown; i++) {
        add(text, "%s", i ? ", " : "");
        add_fd(text, process, fds[i].fd);
        add(text, "%s%s", fds[i].events & POLLIN ? " in" : "",
            fds[i].events & POLLOUT ? " out" : "");
    }
    add(text, count > shown ? ", ...]" : "]");
}

static void add_fd_set(struct text *text, const struct process *process, uint64_t address,
                       uint64_t count)
{
    unsigned char bits[FD_SETSIZE / 8];
    size_t size = count < FD_SETSIZE ? (count + 7) / 8 : sizeof(bits);
    if (address == 0) {
        add(text, "NULL");
        return;
    }
    if (remote_read(process, address, bits, size) != size) {
        add(text, "0x%" PRIx64, address);
        return;
    }
    add(text, "[");
    size_t shown = 0;
    for (size_t fd = 0; fd < size * 8 && fd < count; fd++) {
        if (!(bits[fd / 8] >> (fd % 8) & 1))
            continue;
        if (shown == FDS_SHOWN) {
            add(text, ", ...");
            break;
        }
        add(text, "%s", shown++ ? ", " : "");
        add_fd(text, process, (int)fd);
    }
    add(text, "]");
}

/* futex(2): what each operation takes. `arguments` as in the table above, after uaddr and op. */
static const struct futex_operation {
    const char *name;
    const char *arguments;
} futex_operations[] = {
    [FUTEX_WAIT] = {"WAIT", "- - val:w timeout:ts"},
    [FUTEX_WAKE] = {"WAKE", "- - count:d"},
    [FUTEX_REQUEUE] = {"REQUEUE", "- - count:d count2:d uaddr2:p"},
    [FUTEX_CMP_REQUEUE] = {"CMP_REQUEUE", "- - count:d count2:d uaddr2:p val:w"},
    [FUTEX_WAKE_OP] = {"WAKE_OP", "- - count:d count2:d uaddr2:p op:x"},
    [FUTEX_LOCK_PI] = {"LOCK_PI", "- - - timeout:abs"},
    [FUTEX_UNLOCK_PI] = {"UNLOCK_PI", ""},
    [FUTEX_TRYLOCK_PI] = {"TRYLOCK_PI", ""},
    [FUTEX_WAIT_BITSET] = {"WAIT_BITSET", "- - val:w timeout:abs - mask:x"},
    [FUTEX_WAKE_BITSET] = {"WAKE_BITSET", "- - count:d - - mask:x"},
    [FUTEX_WAIT_REQUEUE_PI] = {"WAIT_REQUEUE_PI", "- - val:w timeout:abs uaddr2:p"},
    [FUTEX_CMP_REQUEUE_PI] = {"CMP_REQUEUE_PI", "- - count:d count2:d uaddr2:p val:w"},
    [FUTEX_LOCK_PI2] = {"LOCK_PI2", "- - - timeout:abs"},
};

struct call {
    const struct process *process;
    const uint64_t *arguments;
    int clock; /* that an "abs" argument counts on */
};

static bool kind_is(const char *kind, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(kind, name, length) == 0;
}

/* True when the value shows without its name in front. */
static bool add_self_named(struct text *text, const struct call *call, const char *name,
                           const char *kind, size_t length, size_t index)
{
    uint64_t value = call->arguments[index];
    if (kind_is(kind, length, "ts"))
        add_timeout(text, call->process, name, value, 1);
    else if (kind_is(kind, length, "tv"))
        add_timeout(text, call->process, name, value, 1000);
    else if (kind_is(kind, length, "abs"))
        add_moment(text, call->process, value, call->clock);
    else if (kind_is(kind, length, "tsf") && call->arguments[index - 1] & TIMER_ABSTIME)
        add_moment(text, call->process, value, (int)call->arguments[0]);
    else if (kind_is(kind, length, "tsf"))
        add_timeout(text, call->process, name, value, 1);
    else if (kind_is(kind, length, "ms") && (int)value < 0)
        add(text, "no timeout");
    else
        return false;
    return true;
}

static void add_value(struct text *text, const struct call *call, const char *kind, size_t length,
                      size_t index)
{
    uint64_t value = call->arguments[index];
    if (kind_is(kind, length, "fd") || (kind_is(kind, length, "dfd") && (int)value != AT_FDCWD)) {
        add_fd(text, call->process, (int)value);
    } else if (kind_is(kind, length, "dfd")) {
        add(text, "AT_FDCWD");
    } else if (kind_is(kind, length, "ms")) {
        add_duration(text, (int)value / 1000, (int)value % 1000 * 1000000L);
    } else if (kind_is(kind, length, "d")) {
        add(text, "%d", (int)value);
    } else if (kind_is(kind, length, "w")) {
        add(text, "%u", (unsigned)value);
    } else if (kind_is(kind, length, "u")) {
        add(text, "%" PRIu64, value);
    } else if (kind_is(kind, length, "sig")) {
        add_signal(text, (int)value);
    } else if (kind_is(kind, length, "set")) {
        add_signal_set(text, call->process, value);
    } else if (kind_is(kind, length, "str")) {
        add_string(text, call->process, value);
    } else if (kind_is(kind, length, "clk")) {
        const char *name = clock_name((int)value);
        add(text, "%s", name ? name : "of a process");
    } else if (kind_is(kind, length, "poll")) {
        add_pollfds(text, call->process, value, call->arguments[index + 1]);
    } else if (kind_is(kind, length, "fds")) {
        add_fd_set(text, call->process, value, call->arguments[0]);
    } else if (kind_is(kind, length, "p") && value == 0) {
        add(text, "NULL");
    } else {
        add(text, value < 10 ? "%" PRIx64 : "0x%" PRIx64, value);
    }
}

/* `separator` stands before the first argument that is shown. */
static void add_arguments(struct text *text, const struct call *call, const char *signature,
                          const char *separator)
{
    for (size_t i = 0; *signature && i < 6; i++) {
        size_t length = strcspn(signature, " ");
        const char *colon = memchr(signature, ':', length);
        size_t name_length = colon ? (size_t)(colon - signature) : 0;
        size_t kind_length = length - name_length - 1;
        if (colon && !kind_is(colon + 1, kind_length, "-")) {
            char name[32];
            snprintf(name, sizeof(name), "%.*s", (int)name_length, signature);
            add(text, "%s", separator);
            separator = ", ";
            size_t before = text->used;
            if (!add_self_named(text, call, name, colon + 1, kind_length, i)) {
                text->used = before;
                add(text, "%s ", name);
                add_value(text, call, colon + 1, kind_length, i);
            }
        }
        signature += length;
        signature += *signature == ' ';
    }
}

static void add_futex(struct text *text, struct call *call)
{
    int operation = (int)call->arguments[1];
    unsigned command = (unsigned)operation & FUTEX_CMD_MASK;
    const struct futex_operation *known = NULL;
    if (command < sizeof(futex_operations) / sizeof(futex_operations[0]) &&
        futex_operations[command].name)
        known = &futex_operations[command];

    add(text, "uaddr 0x%" PRIx64, call->arguments[0]);
    if (!known) {
        add(text, ", op 0x%x, val %" PRIu64, operation, call->arguments[2]);
        return;
    }
    /* LOCK_PI has always counted on the wall clock; the others say it (futex(2)). */
    call->clock = operation & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI ? CLOCK_REALTIME
                                                                               : CLOCK_MONOTONIC;
    add(text, ", %s%s", known->name, operation & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "");
    add_arguments(text, call, known->arguments, ", ");
}

static void add_raw(struct text *text, const uint64_t arguments[6])
{
    for (size_t i = 0; i < 6; i++)
        add(text, "%s0x%" PRIx64, i ? ", " : "", arguments[i]);
}

void syscall_format(const struct process *process, long number, const uint64_t arguments[6],
                    char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    struct call call = {.process = process, .arguments = arguments, .clock = CLOCK_REALTIME};
    const char *name = syscall_name(number);
    if (size == 0)
        return;
    buffer[0] = '\0';
    if (name)
        add(&text, "%s(", name);
    else
        add(&text, "system call %ld(", number);

    const char *signature = name ? find_signature(name) : NULL;
    if (name && strcmp(name, "futex") == 0)
        add_futex(&text, &call);
    else if (name && strcmp(name, "restart_syscall") == 0)
        add(&text, "goes on with a call that was interrupted"); /* the kernel keeps which */
    else if (signature)
        add_arguments(&text, &call, signature, "");
    else
        add_raw(&text, arguments);
    add(&text, ")");
}
