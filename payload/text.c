#include "payload/text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

struct sink {
    char *buffer;
    size_t size, used;
    va_list arguments;
};

static void put(struct sink *sink, char c)
{
    if (sink->used + 1 < sink->size)
        sink->buffer[sink->used++] = c;
}

struct field {
    bool left, zero;
    size_t width;
};

static void put_field(struct sink *sink, const struct field *field, const char *text, size_t length)
{
    size_t padding = field->width > length ? field->width - length : 0;
    for (size_t i = 0; !field->left && i < padding; i++)
        put(sink, field->zero ? '0' : ' ');
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    for (size_t i = 0; field->left && i < padding; i++)
        put(sink, ' ');
}

static void put_number(struct sink *sink, struct field *field, uint64_t value, unsigned base,
                       bool negative)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && field->zero) {
        put(sink, '-');
        field->width -= field->width != 0;
    } else if (negative) {
        digits[--at] = '-';
    }
    put_field(sink, field, digits + at, sizeof(digits) - at);
}

/* An integer argument of the given length modifier ('l' for l and z). */
static uint64_t take_unsigned(struct sink *sink, bool is_long)
{
    return is_long ? va_arg(sink->arguments, unsigned long) : va_arg(sink->arguments, unsigned);
}

static int64_t take_signed(struct sink *sink, bool is_long)
{
    return is_long ? va_arg(sink->arguments, long) : va_arg(sink->arguments, int);
}

static const char *put_conversion(struct sink *sink, const char *format)
{
    struct field field = {0};
    size_t precision = SIZE_MAX;
    for (; *format == '-' || *format == '0'; format++) {
        field.left |= *format == '-';
        field.zero |= *format == '0';
    }
    if (*format == '*') {
        field.width = (size_t)va_arg(sink->arguments, int);
        format++;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        field.width = 10 * field.width + (size_t)(*format - '0');
    if (format[0] == '.' && format[1] == '*') {
        precision = (size_t)va_arg(sink->arguments, int);
        format += 2;
    } else if (*format == '.') {
        precision = 0;
        for (format++; *format >= '0' && *format <= '9'; format++)
            precision = 10 * precision + (size_t)(*format - '0');
    }
    bool is_long = *format == 'l' || *format == 'z';
    format += is_long;
    switch (*format) {
    case 's': {
        const char *text = va_arg(sink->arguments, const char *);
        size_t length = 0;
        while (length < precision && text[length])
            length++;
        put_field(sink, &field, text, length);
        break;
    }
    case 'c': {
        char c = (char)va_arg(sink->arguments, int);
        put_field(sink, &field, &c, 1);
        break;
    }
    case 'd': {
        int64_t value = take_signed(sink, is_long);
        put_number(sink, &field, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0);
        break;
    }
    case 'u':
        put_number(sink, &field, take_unsigned(sink, is_long), 10, false);
        break;
    case 'x':
        put_number(sink, &field, take_unsigned(sink, is_long), 16, false);
        break;
    case 'p':
        put(sink, '0');
        put(sink, 'x');
        put_number(sink, &field, (uintptr_t)va_arg(sink->arguments, void *), 16, false);
        break;
    default:
        put(sink, *format);
        break;
    }
    return *format ? format + 1 : format;
}

size_t text_vformat(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct sink sink = {.buffer = buffer, .size = size};
    va_copy(sink.arguments, arguments);
    while (*format) {
        if (*format != '%')
            put(&sink, *format++);
        else
            format = put_conversion(&sink, format + 1);
    }
    va_end(sink.arguments);
    buffer[sink.used] = '\0';
    return sink.used;
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t used = text_vformat(buffer, size, format, arguments);
    va_end(arguments);
    return used;
}

bool text_equal(const char *one, const char *other)
{
    while (*one && *one == *other) {
        one++;
        other++;
    }
    return *one == *other;
}

bool text_begins(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix) {
        text++;
        prefix++;
    }
    return !*prefix;
}

const char *text_find(const char *text, char c)
{
    while (*text && *text != c)
        text++;
    return *text == c ? text : NULL;
}

void text_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    if (length > size - 1)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

const char *text_base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

bool text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *text_skip_blanks(const char *text)
{
    while (text_is_blank(*text))
        text++;
    return text;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

const char *text_number(const char *text, uint64_t *ret, bool *overflow)
{
    *overflow = false;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    unsigned base = 10;
    if (text[0] == '0' && (text[1] | 0x20) == 'x' && digit_value(text[2]) < 16) {
        base = 16;
        text += 2;
    } else if (text[0] == '0') {
        base = 8;
    }
    if (digit_value(*text) >= base)
        return NULL;
    uint64_t value = 0;
    for (unsigned digit; (digit = digit_value(*text)) < base; text++)
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            *overflow = true;
    if (negative && value > (uint64_t)INT64_MAX + 1)
        *overflow = true;
    *ret = negative ? 0 - value : value;
    return *overflow ? NULL : text;
}

size_t text_sanitize(char *to, size_t size, const char *from, size_t length, size_t *used)
{
    size_t written = 0, taken = 0;
    while (taken < length) {
        unsigned char c = (unsigned char)from[taken];
        unsigned char next = taken + 1 < length ? (unsigned char)from[taken + 1] : 0;
        bool is_c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (c >= 0x20 && c != 0x7f && !is_c1) {
            if (written + 1 > size)
                break;
            to[written++] = (char)c;
        } else {
            if (written + 4 > size)
                break;
            to[written++] = '\\';
            to[written++] = 'x';
            to[written++] = "0123456789abcdef"[c >> 4];
            to[written++] = "0123456789abcdef"[c & 15];
        }
        taken++;
    }
    if (used)
        *used = taken;
    return written;
}

static const char signal_names[][10] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",       [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",     [SIGSTOP] = "SIGSTOP",
    [SIGTSTP] = "SIGTSTP", [SIGTTIN] = "SIGTTIN",     [SIGTTOU] = "SIGTTOU",
    [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",     [SIGXFSZ] = "SIGXFSZ",
    [SIGPROF] = "SIGPROF", [SIGVTALRM] = "SIGVTALRM", [SIGWINCH] = "SIGWINCH",
    [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",       [SIGSYS] = "SIGSYS",
};
#define SIGNAL_NAME_COUNT (sizeof(signal_names) / sizeof(signal_names[0]))

const char *text_signal(int signal, char *buffer)
{
    if (signal > 0 && (size_t)signal < SIGNAL_NAME_COUNT && signal_names[signal][0])
        return signal_names[signal];
    text_format(buffer, 16, "signal %d", signal);
    return buffer;
}

/* The first and the last real-time signal that the C libraries leave to programs; both have the 34
   to 64 in common (musl begins at 35). */
#define FIRST_REAL_TIME 34
#define LAST_REAL_TIME 64

static int real_time_signal(const char *name)
{
    bool from_first = text_begins(name, "RTMIN"), from_last = text_begins(name, "RTMAX");
    uint64_t offset = 0;
    bool overflow = false;
    const char *end = name + 5;
    if (!from_first && !from_last)
        return 0;
    if (*end == (from_first ? '+' : '-'))
        end = text_number(end + 1, &offset, &overflow);
    if (!end || *end || offset > LAST_REAL_TIME - FIRST_REAL_TIME)
        return 0;
    return from_first ? FIRST_REAL_TIME + (int)offset : LAST_REAL_TIME - (int)offset;
}

int text_signal_number(const char *name)
{
    uint64_t number;
    bool overflow;
    const char *end = text_number(name, &number, &overflow);
    if (end)
        return !*end && number >= 1 && number <= LAST_REAL_TIME ? (int)number : 0;
    if (text_begins(name, "SIG"))
        name += 3;
    for (size_t signal = 1; signal < SIGNAL_NAME_COUNT; signal++)
        if (signal_names[signal][0] && text_equal(signal_names[signal] + 3, name))
            return (int)signal;
    return real_time_signal(name);
}

const char *text_errno(int errnum, char *buffer)
{
    static const char names[][16] = {
        [EPERM] = "EPERM",
        [ENOENT] = "ENOENT",
        [ESRCH] = "ESRCH",
        [EINTR] = "EINTR",
        [EIO] = "EIO",
        [ENXIO] = "ENXIO",
        [EBADF] = "EBADF",
        [ECHILD] = "ECHILD",
        [EAGAIN] = "EAGAIN",
        [ENOMEM] = "ENOMEM",
        [EACCES] = "EACCES",
        [EFAULT] = "EFAULT",
        [EBUSY] = "EBUSY",
        [EEXIST] = "EEXIST",
        [ENODEV] = "ENODEV",
        [ENOTDIR] = "ENOTDIR",
        [EISDIR] = "EISDIR",
        [EINVAL] = "EINVAL",
        [ENFILE] = "ENFILE",
        [EMFILE] = "EMFILE",
        [ENOTTY] = "ENOTTY",
        [EFBIG] = "EFBIG",
        [ENOSPC] = "ENOSPC",
        [EROFS] = "EROFS",
        [EPIPE] = "EPIPE",
        [ERANGE] = "ERANGE",
        [ENAMETOOLONG] = "ENAMETOOLONG",
        [ENOSYS] = "ENOSYS",
        [ELOOP] = "ELOOP",
        [EADDRINUSE] = "EADDRINUSE",
        [ECONNREFUSED] = "ECONNREFUSED",
        [ETIMEDOUT] = "ETIMEDOUT",
    };
    if (errnum > 0 && (size_t)errnum < sizeof(names) / sizeof(names[0]) && names[errnum][0])
        return names[errnum];
    text_format(buffer, 16, "errno %d", errnum);
    return buffer;
}
