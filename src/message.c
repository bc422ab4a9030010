#include "src/message.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Characters that change the direction of what stands around them (Unicode TR 9): text from a
   target could make a line read as something else. */
static bool is_direction_control(uint32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f;
}

bool message_is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           is_direction_control(character);
}

size_t message_utf8_length(const char *text, uint32_t *ret)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (length == 0)
        return 0;
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
    if (overlong || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return length;
}

char *message_sanitize(const char *text, char *buffer, size_t size)
{
    size_t used = 0;
    while (*text && used + 1 < size) {
        uint32_t c;
        size_t length = message_utf8_length(text, &c);
        bool printable = length > 0 && !message_is_control(c);
        if (printable && used + length + 1 > size)
            break;
        if (printable)
            memcpy(buffer + used, text, length);
        else
            buffer[used] = '?';
        used += printable ? length : 1;
        text += length ? length : 1;
    }
    if (size > 0)
        buffer[used] = '\0';
    return buffer;
}

/* One write for the whole line, so that lines of several processes do not mix. */
static void print_line(const char *message)
{
    char line[4096];
    static const char prefix[] = "manhole-attach: ";
    memcpy(line, prefix, sizeof(prefix));
    message_sanitize(message, line + sizeof(prefix) - 1, sizeof(line) - sizeof(prefix));
    fprintf(stderr, "%s\n", line);
}

int message_error(struct error *error)
{
    int status = error->kind;
    /* What was printed so far comes before the message where both go to one terminal; a stream
       that fails here fails again, and is reported, where it is closed. */
    fflush(stdout);
    print_line(error->message);
    error_destroy(error);
    return status;
}

void message_note(const char *format, ...)
{
    char text[4000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_line(text);
}

bool message_colour_wanted(int fd)
{
    const char *terminal = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    return isatty(fd) && terminal && strcmp(terminal, "dumb") != 0 && !(no_colour && *no_colour);
}
