/* Numbers on the command line. */
#ifndef SRC_OPTIONS_PARSE_H
#define SRC_OPTIONS_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TRY_HELP "; try manhole-attach --help"

enum { US_PER_MS = 1000, US_PER_S = 1000000 };

static inline bool parse_is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* "12" or "12.5" in units of `unit` us. False: no such number, 0, or above `limit`. */
static inline bool parse_decimal(const char *text, uint64_t unit, uint64_t limit, uint64_t *ret)
{
    uint64_t value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        value = value * 10 + (uint64_t)(*c - '0');
        if (value > limit / unit)
            return false;
    }
    if (c == text)
        return false;
    value *= unit;
    if (*c == '.') {
        if (c[1] == '\0')
            return false;
        for (c++; *c >= '0' && *c <= '9'; c++) {
            unit /= 10;
            value += unit * (uint64_t)(*c - '0');
        }
    }
    *ret = value;
    return *c == '\0' && value > 0 && value <= limit;
}

#endif
