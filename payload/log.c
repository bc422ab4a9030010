#include "payload/log.h"

#include "payload/descriptor.h"
#include "payload/manhole.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <stdbool.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static struct {
    struct descriptor file;
    bool open, is_socket;
    char destination[300];
} state;

static int open_descriptor(int fd)
{
    struct stat status;
    long result = sys_fstat(fd, &status);
    if (result < 0)
        return (int)-result;
    state.is_socket = S_ISSOCK(status.st_mode);
    result = descriptor_of_our_own(fd, &status);
    if (result < 0)
        return (int)-result;
    state.file = descriptor_take((int)result);
    state.open = true;
    text_format(state.destination, sizeof(state.destination), "descriptor %d", fd);
    return 0;
}

static int open_path(const char *path)
{
    long result =
        sys_move_high(sys_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0600));
    if (result < 0)
        return (int)-result;
    state.file = descriptor_take((int)result);
    state.open = true;
    text_copy(state.destination, sizeof(state.destination), path);
    return 0;
}

int log_open(int fd, const char *path, char *message, size_t message_size)
{
    memset(&state, 0, sizeof(state));
    char name[16];
    int status = 0;
    if (*path) {
        status = open_path(path);
        if (status)
            text_format(message, message_size, "log %s: cannot be opened: %s", path,
                        text_errno(status, name));
    } else if (fd >= 0) {
        status = open_descriptor(fd);
        if (status)
            text_format(message, message_size, "log to descriptor %d: %s", fd,
                        text_errno(status, name));
    }
    return status;
}

void log_close(void)
{
    if (state.open)
        descriptor_close(&state.file);
    memset(&state, 0, sizeof(state));
}

const char *log_destination(void)
{
    return state.open ? state.destination : "nowhere";
}

static bool would_block(void)
{
    struct pollfd one = {.fd = state.file.fd, .events = POLLOUT};
    return sys_poll(&one, 1, 0) != 1 || !(one.revents & POLLOUT);
}

/* The clock of the lines. */
static struct timespec now(void)
{
    struct timespec now = {0, 0};
    SYS_CALL(SYS_clock_gettime, CLOCK_REALTIME, &now, 0, 0, 0, 0);
    return now;
}

double manhole_time(void)
{
    struct timespec time = now();
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void log_vline(const char *format, va_list arguments)
{
    if (!state.open || !descriptor_intact(&state.file))
        return;
    struct timespec time = now();
    char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    size_t used = text_format(line, 64, "Manhole[%d:%ld.%04ld]: ", sys_getpid(), (long)time.tv_sec,
                              time.tv_nsec / 100000);
    size_t length = text_vformat(raw, sizeof(raw), format, arguments);
    used += text_sanitize(line + used, sizeof(line) - used - 1, raw, length, NULL);
    line[used++] = '\n';
    if (state.is_socket)
        sys_send(state.file.fd, line, used);
    else if (!would_block())
        sys_write(state.file.fd, line,
                  used); /* what cannot be written is lost: there is no log of it */
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vline(format, arguments);
    va_end(arguments);
}
