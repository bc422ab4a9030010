#include "src/syscall_arguments.h"

#include "src/message.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void text_add(struct text *text, const char *format, ...)
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
    text_add(text, "%d", fd);
    if (fd < 0)
        return;
    /* Of a live thread: a zombie leader's own /proc/PID/fd is empty. */
    char name[32], link[512], clean[512];
    snprintf(name, sizeof(name), "fd/%d", fd);
    if (process_read_link(process, 0, name, link, sizeof(link)) >= 0)
        text_add(text, " <%s>", message_sanitize(link, clean, sizeof(clean)));
}

void text_add_duration(struct text *text, int64_t seconds, int64_t nanoseconds)
{
    double total = (double)seconds + (double)nanoseconds / 1e9;
    if (total >= 86400 * 3)
        text_add(text, "%.4g days", total / 86400);
    else if (total >= 3600 * 3)
        text_add(text, "%.4g h", total / 3600);
    else if (total >= 60 * 3)
        text_add(text, "%.4g min", total / 60);
    else if (total >= 1 || total == 0)
        text_add(text, "%.4g s", total);
    else if (total >= 1e-3)
        text_add(text, "%.4g ms", total * 1e3);
    else if (total >= 1e-6)
        text_add(text, "%.4g us", total * 1e6);
    else
        text_add(text, "%.4g ns", total * 1e9);
}

/* What an argument points to, as it was during the call: not what stands there since. */
static bool read_pointed(const struct call *call, uint64_t address, void *buffer, size_t size)
{
    bool live = false;
    if (snapshot_read(call->snapshot, call->thread, address, buffer, size, &live) != size || live)
        return false;
    remote_keep(call->snapshot->process, address, buffer, size);
    return true;
}

/* The same of a string; one that does not end within the buffer is cut. */
static bool read_string(const struct call *call, uint64_t address, char *buffer, size_t size)
{
    bool live = false;
    size_t got = snapshot_read(call->snapshot, call->thread, address, buffer, size - 1, &live);
    buffer[got] = '\0';
    size_t length = strlen(buffer);
    if (live || !got || (length == got && got < size - 1))
        return false;
    remote_keep(call->snapshot->process, address, buffer, length < got ? length + 1 : got);
    return true;
}

/* struct timespec and struct timeval of a 64-bit target: two 64-bit words. */
static bool read_time(const struct call *call, uint64_t address, int64_t value[2])
{
    return read_pointed(call, address, value, 2 * sizeof(*value));
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

/* ", in 5 s" from now, or ", 5 s ago". */
static void add_distance(struct text *text, const struct process *process, int clock,
                         const int64_t moment[2])
{
    struct timespec now;
    if (moment[0] > INT32_MAX * INT64_C(2) || !process_clock(process, clock, &now))
        return;
    int64_t left = (moment[0] - now.tv_sec) * INT64_C(1000000000) + moment[1] - now.tv_nsec;
    int64_t distance = left < 0 ? -left : left;
    text_add(text, left < 0 ? ", " : ", in ");
    text_add_duration(text, distance / INT64_C(1000000000), distance % INT64_C(1000000000));
    if (left < 0)
        text_add(text, " ago");
}

/* A moment: that of the wall clock as a date, others as what they count. */
static void add_moment(struct text *text, const struct call *call, uint64_t address, int clock)
{
    int64_t value[2];
    struct tm tm;
    char date[64];
    if (address == 0) {
        text_add(text, "no timeout");
        return;
    }
    if (!read_time(call, address, value)) {
        text_add(text, "until *0x%" PRIx64, address);
        return;
    }
    time_t seconds = value[0];
    const char *name = clock_name(clock);
    if (clock == CLOCK_REALTIME && gmtime_r(&seconds, &tm) &&
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) > 0)
        text_add(text, "until %s.%03dZ", date, (int)(value[1] / 1000000));
    else
        text_add(text, "until %s %" PRId64 ".%03d s", name ? name : "clock ?", value[0],
                 (int)(value[1] / 1000000));
    if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME)
        add_distance(text, call->snapshot->process, clock, value);
}

static void add_signal(struct text *text, int number)
{
    const char *name = number > 0 && number < SIGRTMIN ? sigabbrev_np(number) : NULL;
    if (name)
        text_add(text, "SIG%s", name);
    else
        text_add(text, "%d", number);
}

/* The kernel's signal set: 64 bits, bit n-1 for signal n. Only short ones are spelled out. */
static void add_signal_set(struct text *text, const struct call *call, uint64_t address)
{
    uint64_t set;
    if (address == 0) {
        text_add(text, "NULL");
        return;
    }
    if (!read_pointed(call, address, &set, sizeof(set))) {
        text_add(text, "0x%" PRIx64, address);
        return;
    }
    bool inverted = __builtin_popcountll(set) > 32;
    uint64_t listed = inverted ? ~set : set;
    if (__builtin_popcountll(listed) > 8) {
        text_add(text, "{0x%016" PRIx64 "}", set);
        return;
    }
    text_add(text, inverted ? (listed ? "{all but" : "{all") : "{");
    const char *separator = inverted ? " " : "";
    for (int number = 1; number <= 64; number++) {
        if (!(listed >> (number - 1) & 1))
            continue;
        text_add(text, "%s", separator);
        add_signal(text, number);
        separator = " ";
    }
    text_add(text, "}");
}

/* One function per kind: adds the argument with its name; false: it is not worth showing. */

static bool show_nothing(struct text *text, const struct call *call, const char *name, size_t index)
{
    (void)text, (void)call, (void)name, (void)index;
    return false;
}

static bool show_fd(struct text *text, const struct call *call, const char *name, size_t index)
{
    text_add(text, "%s ", name);
    add_fd(text, call->snapshot->process, (int)call->arguments[index]);
    return true;
}

static bool show_directory(struct text *text, const struct call *call, const char *name,
                           size_t index)
{
    if ((int)call->arguments[index] != AT_FDCWD)
        return show_fd(text, call, name, index);
    text_add(text, "%s AT_FDCWD", name);
    return true;
}

static bool show_address(struct text *text, const struct call *call, const char *name, size_t index)
{
    uint64_t value = call->arguments[index];
    if (value)
        text_add(text, "%s 0x%" PRIx64, name, value);
    else
        text_add(text, "%s NULL", name);
    return true;
}

static bool show_bits(struct text *text, const struct call *call, const char *name, size_t index)
{
    uint64_t value = call->arguments[index];
    text_add(text, "%s 0x%" PRIx64, name, value);
    return value != 0;
}

static bool show_mask(struct text *text, const struct call *call, const char *name, size_t index)
{
    uint32_t value = (uint32_t)call->arguments[index];
    text_add(text, "%s 0x%x", name, value);
    return value != FUTEX_BITSET_MATCH_ANY;
}

static bool show_int(struct text *text, const struct call *call, const char *name, size_t index)
{
    text_add(text, "%s %d", name, (int)call->arguments[index]);
    return true;
}

static bool show_unsigned(struct text *text, const struct call *call, const char *name,
                          size_t index)
{
    text_add(text, "%s %u", name, (unsigned)call->arguments[index]);
    return true;
}

static bool show_size(struct text *text, const struct call *call, const char *name, size_t index)
{
    text_add(text, "%s %" PRIu64, name, call->arguments[index]);
    return true;
}

static bool show_milliseconds(struct text *text, const struct call *call, const char *name,
                              size_t index)
{
    int value = (int)call->arguments[index];
    if (value < 0) {
        text_add(text, "no timeout");
        return true;
    }
    text_add(text, "%s ", name);
    text_add_duration(text, value / 1000, value % 1000 * INT64_C(1000000));
    return true;
}

static bool show_timeout(struct text *text, const struct call *call, const char *name, size_t index,
                         int64_t nanoseconds_per_unit)
{
    int64_t value[2];
    uint64_t address = call->arguments[index];
    if (!address) {
        text_add(text, "no timeout");
    } else if (read_time(call, address, value)) {
        text_add(text, "%s ", name);
        text_add_duration(text, value[0], value[1] * nanoseconds_per_unit);
    } else {
        text_add(text, "%s *0x%" PRIx64, name, address);
    }
    return true;
}

static bool show_timespec(struct text *text, const struct call *call, const char *name,
                          size_t index)
{
    return show_timeout(text, call, name, index, 1);
}

static bool show_timeval(struct text *text, const struct call *call, const char *name, size_t index)
{
    return show_timeout(text, call, name, index, 1000);
}

static bool show_moment(struct text *text, const struct call *call, const char *name, size_t index)
{
    (void)name;
    add_moment(text, call, call->arguments[index], call->clock);
    return true;
}

/* The time of clock_nanosleep(2): clock, flags, time. */
static bool show_flagged_time(struct text *text, const struct call *call, const char *name,
                              size_t index)
{
    if (!(call->arguments[index - 1] & TIMER_ABSTIME))
        return show_timespec(text, call, name, index);
    add_moment(text, call, call->arguments[index], (int)call->arguments[index - 2]);
    return true;
}

static bool show_clock(struct text *text, const struct call *call, const char *name, size_t index)
{
    const char *clock = clock_name((int)call->arguments[index]);
    text_add(text, "%s %s", name, clock ? clock : "of a process");
    return true;
}

static bool show_signal(struct text *text, const struct call *call, const char *name, size_t index)
{
    text_add(text, "%s ", name);
    add_signal(text, (int)call->arguments[index]);
    return true;
}

static bool show_signal_set(struct text *text, const struct call *call, const char *name,
                            size_t index)
{
    text_add(text, "%s ", name);
    add_signal_set(text, call, call->arguments[index]);
    return call->arguments[index] != 0;
}

static bool show_string(struct text *text, const struct call *call, const char *name, size_t index)
{
    char string[256], clean[256];
    uint64_t address = call->arguments[index];
    if (address && read_string(call, address, string, sizeof(string)))
        text_add(text, "%s \"%s\"", name, message_sanitize(string, clean, sizeof(clean)));
    else
        text_add(text, "%s 0x%" PRIx64, name, address);
    return true;
}

enum { FDS_SHOWN = 4 };

static bool show_pollfds(struct text *text, const struct call *call, const char *name, size_t index)
{
    struct pollfd fds[FDS_SHOWN];
    uint64_t address = call->arguments[index], count = call->arguments[index + 1];
    size_t shown = count < FDS_SHOWN ? count : FDS_SHOWN;
    if (!read_pointed(call, address, fds, shown * sizeof(*fds)))
        return show_address(text, call, name, index);

    text_add(text, "%s [", name);
    for (size_t i = 0; i < shown; i++) {
        text_add(text, "%s", i ? ", " : "");
        add_fd(text, call->snapshot->process, fds[i].fd);
        text_add(text, "%s%s", fds[i].events & POLLIN ? " in" : "",
                 fds[i].events & POLLOUT ? " out" : "");
    }
    text_add(text, count > shown ? ", ...]" : "]");
    return true;
}

static bool show_fd_set(struct text *text, const struct call *call, const char *name, size_t index)
{
    unsigned char bits[FD_SETSIZE / 8];
    uint64_t address = call->arguments[index], count = call->arguments[0];
    size_t size = count < FD_SETSIZE ? (count + 7) / 8 : sizeof(bits);
    if (!address)
        return false;
    if (!read_pointed(call, address, bits, size))
        return show_address(text, call, name, index);

    text_add(text, "%s [", name);
    size_t shown = 0;
    for (size_t fd = 0; fd < size * 8 && fd < count && shown <= FDS_SHOWN; fd++) {
        if (!(bits[fd / 8] >> (fd % 8) & 1))
            continue;
        text_add(text, "%s", shown ? ", " : "");
        if (shown++ < FDS_SHOWN)
            add_fd(text, call->snapshot->process, (int)fd);
        else
            text_add(text, "...");
    }
    text_add(text, "]");
    return true;
}

struct named_value {
    int value;
    const char *name;
};

/* `values` ends with a NULL name. */
static bool show_named(struct text *text, const struct call *call, const char *name, size_t index,
                       const struct named_value *values)
{
    for (; values->name; values++) {
        if (values->value == (int)call->arguments[index]) {
            text_add(text, "%s %s", name, values->name);
            return true;
        }
    }
    return show_int(text, call, name, index);
}

static bool show_lock(struct text *text, const struct call *call, const char *name, size_t index)
{
    static const struct named_value values[] = {
        {LOCK_SH, "LOCK_SH"}, {LOCK_EX, "LOCK_EX"}, {LOCK_UN, "LOCK_UN"}, {0, NULL}};
    return show_named(text, call, name, index, values);
}

static bool show_fcntl(struct text *text, const struct call *call, const char *name, size_t index)
{
    static const struct named_value values[] = {
        {F_SETLK, "F_SETLK"},           {F_SETLKW, "F_SETLKW"}, {F_OFD_SETLK, "F_OFD_SETLK"},
        {F_OFD_SETLKW, "F_OFD_SETLKW"}, {F_GETFL, "F_GETFL"},   {F_SETFL, "F_SETFL"},
        {F_GETFD, "F_GETFD"},           {F_SETFD, "F_SETFD"},   {0, NULL}};
    return show_named(text, call, name, index, values);
}

static bool show_id_type(struct text *text, const struct call *call, const char *name, size_t index)
{
    static const struct named_value values[] = {
        {P_ALL, "P_ALL"}, {P_PID, "P_PID"}, {P_PGID, "P_PGID"}, {P_PIDFD, "P_PIDFD"}, {0, NULL}};
    return show_named(text, call, name, index, values);
}

static const struct kind {
    const char *name;
    bool (*show)(struct text *text, const struct call *call, const char *name, size_t index);
} kinds[] = {
    {"-", show_nothing},        {"abs", show_moment},   {"any", show_mask},
    {"clk", show_clock},        {"cmd", show_fcntl},    {"d", show_int},
    {"dfd", show_directory},    {"fd", show_fd},        {"fds", show_fd_set},
    {"idt", show_id_type},      {"lock", show_lock},    {"ms", show_milliseconds},
    {"p", show_address},        {"poll", show_pollfds}, {"set", show_signal_set},
    {"sig", show_signal},       {"str", show_string},   {"ts", show_timespec},
    {"tsf", show_flagged_time}, {"tv", show_timeval},   {"u", show_size},
    {"w", show_unsigned},       {"x", show_bits},
};

bool argument_add(struct text *text, const struct call *call, const char *name, const char *kind,
                  size_t length, size_t index)
{
    size_t before = text->used;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) != length || memcmp(kinds[i].name, kind, length) != 0)
            continue;
        if (kinds[i].show(text, call, name, index))
            return true;
        break;
    }
    text->used = before;
    text->buffer[before] = '\0';
    return false;
}
