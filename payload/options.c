#include "payload/options.h"

#include "payload/sys.h"
#include "payload/text.h"

#include <signal.h>
#include <string.h>

#define FIELD(name) offsetof(struct manhole_options, name)
#define FIELD_SIZE(name) sizeof(((struct manhole_options *)NULL)->name)

/* --- What a caller gave as bytes. --- */

static const struct {
    size_t offset, size;
    const char *name;
} texts[] = {
    {FIELD(socket_path), FIELD_SIZE(socket_path), "socket_path"},
    {FIELD(verbose_path), FIELD_SIZE(verbose_path), "verbose_path"},
    {FIELD(connection_handler), FIELD_SIZE(connection_handler), "connection_handler"},
    {FIELD(locals), FIELD_SIZE(locals), "locals"},
};
#define TEXT_COUNT (sizeof(texts) / sizeof(texts[0]))

/* One that can be caught, is no fault (those are the guard's), and not the C library's own. */
static int check_signal(const char *option, uint32_t signal, char *message, size_t size)
{
    static const uint8_t unfit[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                    SIGABRT, SIGTRAP, SIGSYS,  32,     33,     34};
    bool fits = signal <= 64;
    for (size_t i = 0; i < sizeof(unfit); i++)
        fits = fits && signal != unfit[i];
    if (fits)
        return 0;
    text_format(message, size, "%s=%u: that signal cannot be used; USR1 or USR2 can", option,
                signal);
    return EINVAL;
}

static bool is_terminated(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!text[i])
            return true;
    return false;
}

static int check(const struct manhole_options *options, char *message, size_t size)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (!is_terminated((const char *)options + texts[i].offset, texts[i].size)) {
            text_format(message, size, "%s: too long, it has at most %zu bytes", texts[i].name,
                        texts[i].size - 1);
            return ENAMETOOLONG;
        }
    }
    int status = check_signal("activate_on", options->activate_on, message, size);
    if (!status)
        status = check_signal("oneshot_on", options->oneshot_on, message, size);
    if (!status && options->activate_on && options->activate_on == options->oneshot_on) {
        text_format(message, size,
                    "You cannot do activation of the Manhole thread on the same "
                    "signal that you want to do oneshot activation !");
        status = MANHOLE_CONFIGURATION_CONFLICT;
    }
    return status;
}

int options_take(const void *from, size_t size, struct manhole_options *to, char *message,
                 size_t message_size)
{
    *to = (struct manhole_options)MANHOLE_OPTIONS_DEFAULT;
    if (!from)
        return 0;
    if (size < FIELD(verbose)) {
        text_format(message, message_size, "options of %zu bytes: too few", size);
        return EINVAL;
    }
    memcpy(to, from, size < sizeof(*to) ? size : sizeof(*to));
    if (to->version != MANHOLE_VERSION) {
        text_format(message, message_size, "options of version %u: this libmanhole knows %u",
                    to->version, MANHOLE_VERSION);
        return EINVAL;
    }
    for (size_t i = sizeof(*to); i < size; i++) {
        if (((const char *)from)[i]) {
            text_format(message, message_size, "options that this libmanhole does not know");
            return EINVAL;
        }
    }
    return check(to, message, message_size);
}

/* --- As text. --- */

enum kind { FLAG, SECONDS, SIGNAL, SIGNALS, TEXT, DESTINATION };

static const struct setting {
    const char *name;
    enum kind kind;
    size_t offset, size;
} settings[] = {
    {"verbose", FLAG, FIELD(verbose), 0},
    {"verbose_destination", DESTINATION, FIELD(verbose_destination), 0},
    {"strict", FLAG, FIELD(strict), 0},
    {"patch_fork", FLAG, FIELD(patch_fork), 0},
    {"activate_on", SIGNAL, FIELD(activate_on), 0},
    {"oneshot_on", SIGNAL, FIELD(oneshot_on), 0},
    {"thread", FLAG, FIELD(thread), 0},
    {"sigmask", SIGNALS, FIELD(sigmask), 0},
    {"socket_path", TEXT, FIELD(socket_path), FIELD_SIZE(socket_path)},
    {"reinstall_delay", SECONDS, FIELD(reinstall_delay_ms), 0},
    {"oneshot_timeout", SECONDS, FIELD(oneshot_timeout_ms), 0},
    {"start_timeout", SECONDS, FIELD(start_timeout_ms), 0},
    {"locals", TEXT, FIELD(locals), FIELD_SIZE(locals)},
    {"daemon_connection", FLAG, FIELD(daemon_connection), 0},
    {"redirect_stderr", FLAG, FIELD(redirect_stderr), 0},
    {"redirect", FLAG, FIELD(redirect), 0},
    {"connection_handler", TEXT, FIELD(connection_handler), FIELD_SIZE(connection_handler)},
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

/* A day is more than anybody waits. */
#define LONGEST_SECONDS 86400

static bool parse_flag(const char *value, uint32_t *ret)
{
    static const char *const words[2][4] = {{"0", "False", "false", "no"},
                                            {"1", "True", "true", "yes"}};
    for (uint32_t flag = 0; flag < 2; flag++)
        for (size_t i = 0; i < 4; i++)
            if (text_equal(words[flag][i], value)) {
                *ret = flag;
                return true;
            }
    return false;
}

/* "2", "0.5": into milliseconds. */
static bool parse_seconds(const char *value, uint32_t *ret)
{
    uint64_t milliseconds = 0, unit = 1000;
    const char *c = value;
    for (; *c >= '0' && *c <= '9' && milliseconds <= LONGEST_SECONDS; c++)
        milliseconds = milliseconds * 10 + (uint64_t)(*c - '0');
    if (c == value || milliseconds > LONGEST_SECONDS)
        return false;
    milliseconds *= 1000;
    if (*c == '.')
        for (c++; *c >= '0' && *c <= '9'; c++)
            milliseconds += (unit /= 10) * (uint64_t)(*c - '0');
    *ret = (uint32_t)milliseconds;
    return !*c;
}

/* "USR1+HUP" or "10 1"; "all"; "none". A comma would end the option. */
static bool parse_signals(const char *value, uint64_t *ret)
{
    *ret = 0;
    if (text_equal(value, "none") || text_equal(value, "None"))
        return true;
    if (text_equal(value, "all")) {
        *ret = MANHOLE_ALL_SIGNALS;
        return true;
    }
    while (*value) {
        char word[16];
        size_t length = 0;
        while (value[length] && !text_find("+ ,", value[length]))
            length++;
        text_format(word, sizeof(word), "%.*s", (int)length, value);
        int signal = text_signal_number(word);
        if (!signal || length >= sizeof(word))
            return false;
        *ret |= 1ull << (signal - 1);
        value += length + (value[length] != '\0');
    }
    return true;
}

static bool parse_destination(const char *value, struct manhole_options *to)
{
    uint64_t fd;
    bool overflow;
    const char *end = text_number(value, &fd, &overflow);
    if (end && !*end && fd <= INT32_MAX) {
        to->verbose_destination = (int32_t)fd;
        return true;
    }
    text_copy(to->verbose_path, sizeof(to->verbose_path), value);
    return *value == '/' && strlen(value) < sizeof(to->verbose_path);
}

static bool set(const struct setting *setting, const char *value, struct manhole_options *to)
{
    void *field = (char *)to + setting->offset;
    switch (setting->kind) {
    case FLAG:
        return parse_flag(value, field);
    case SECONDS:
        return parse_seconds(value, field);
    case SIGNALS:
        return parse_signals(value, field);
    case SIGNAL:
        *(uint32_t *)field = (uint32_t)text_signal_number(value);
        return *(uint32_t *)field || text_equal(value, "None");
    case DESTINATION:
        return parse_destination(value, to);
    case TEXT:
        text_copy(field, setting->size, value);
        return strlen(value) < setting->size;
    }
    return false;
}

/* The value up to the next comma, or between quotes; returns what comes after it, or NULL. */
static const char *take_value(const char *text, char *value, size_t size)
{
    char quote = *text == '\'' || *text == '"' ? *text++ : '\0';
    size_t length = 0;
    while (text[length] && text[length] != (quote ? quote : ','))
        length++;
    if (length >= size || (quote && !text[length]))
        return NULL;
    text_format(value, size, "%.*s", (int)length, text);
    text = text_skip_blanks(text + length + (quote != '\0'));
    if (*text && *text != ',')
        return NULL;
    return *text ? text + 1 : text;
}

/* One NAME=VALUE; returns what comes after it, or NULL with a line in `message`. */
static const char *take_setting(const char *text, struct manhole_options *to, char *message,
                                size_t size)
{
    char name[32], value[FIELD_SIZE(locals) + 1];
    size_t length = 0;
    while (text[length] && !text_is_blank(text[length]) && !text_find("=,", text[length]))
        length++;
    text_format(name, sizeof(name), "%.*s", (int)length, text);
    const struct setting *setting = NULL;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (length < sizeof(name) && text_equal(settings[i].name, name))
            setting = &settings[i];
    if (!setting) {
        text_format(message, size, "'%s' is no option of a manhole", name);
        return NULL;
    }
    text = text_skip_blanks(text + length);
    const char *rest = NULL;
    if (*text == '=')
        rest = take_value(text_skip_blanks(text + 1), value, sizeof(value));
    if (!rest || !set(setting, value, to)) {
        text_format(message, size, "%s: no value that it may have", name);
        return NULL;
    }
    return rest;
}

int options_parse(const char *text, struct manhole_options *to, char *message, size_t message_size)
{
    *to = (struct manhole_options)MANHOLE_OPTIONS_DEFAULT;
    for (text = text_skip_blanks(text); text && *text; text = text ? text_skip_blanks(text) : text)
        text = take_setting(text, to, message, message_size);
    return text ? check(to, message, message_size) : EINVAL;
}
