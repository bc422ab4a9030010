#include "src/python_scalars.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- int. --- */

/* Bits of a digit: PyLong_SHIFT, Include/cpython/longintrepr.h (before 3.11 Include/longintrepr.h).
 */
#define DIGIT_BITS 30
/* Digits of an int that is shown in full: 1920 bits, 578 figures. */
#define DIGITS_MAX 64
/* Of a larger one: those that are shown, in hexadecimal. */
#define DIGITS_SHOWN 4

static bool read_digits(const struct python_memory *memory, uint64_t address, size_t count,
                        uint32_t *ret)
{
    if (count && !python_read(memory, address, ret, count * sizeof(*ret)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (ret[i] >> DIGIT_BITS)
            return false;
    }
    return true;
}

/* Divides by a billion; returns the rest. */
static uint32_t divide(uint32_t *digits, size_t *count)
{
    uint64_t rest = 0;
    for (size_t i = *count; i-- > 0;) {
        uint64_t part = rest << DIGIT_BITS | digits[i];
        digits[i] = (uint32_t)(part / 1000000000);
        rest = part % 1000000000;
    }
    while (*count && !digits[*count - 1])
        --*count;
    return (uint32_t)rest;
}

static void add_decimal(struct writer *writer, uint32_t *digits, size_t count, bool is_negative)
{
    uint32_t parts[DIGITS_MAX * DIGIT_BITS / 29 + 2]; /* a billion has more than 29 bits */
    size_t used = 0;
    do
        parts[used++] = divide(digits, &count);
    while (count);
    writer_format(writer, "%s%" PRIu32, is_negative ? "-" : "", parts[used - 1]);
    while (--used)
        writer_format(writer, "%09" PRIu32, parts[used - 1]);
}

static bool add_large(struct writer *writer, const struct python_memory *memory,
                      const struct python_int *number)
{
    uint32_t digits[DIGITS_SHOWN];
    if (!read_digits(memory, number->digits + (number->count - DIGITS_SHOWN) * 4, DIGITS_SHOWN,
                     digits) ||
        !digits[DIGITS_SHOWN - 1])
        return false;
    unsigned top = 32 - (unsigned)__builtin_clz(digits[DIGITS_SHOWN - 1]);
    uint64_t bits = (number->count - 1) * DIGIT_BITS + top;
    /* The highest 64 bits: at least three digits have them. */
    unsigned __int128 high = 0;
    for (size_t i = DIGITS_SHOWN; i-- > 0;)
        high = high << DIGIT_BITS | digits[i];
    uint64_t shown = (uint64_t)(high >> (3 * DIGIT_BITS + top - 64));
    writer_format(writer, "<int of %" PRIu64 " bits: %s0x%" PRIx64 "...>", bits,
                  number->is_negative ? "-" : "", shown);
    return true;
}

static bool add_int(struct writer *writer, const struct python *python,
                    const struct python_memory *memory, uint64_t address)
{
    struct python_int number;
    uint32_t digits[DIGITS_MAX];
    if (!python_int_find(python, memory, address, &number))
        return false;
    if (number.count > DIGITS_MAX)
        return add_large(writer, memory, &number);
    size_t count = (size_t)number.count;
    if (!read_digits(memory, number.digits, count, digits))
        return false;
    add_decimal(writer, digits, count, number.is_negative);
    return true;
}

/* --- float. --- */

/* The fewest figures that give the number again, as "d.ddde+dd". */
static void find_figures(double number, char text[40])
{
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, 40, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            return;
    }
}

/* As float.__repr__: in figures alone from 1e-4 to below 1e16; there ends a whole number with
   `after_whole`. */
static void add_finite(struct writer *writer, double number, const char *after_whole)
{
    char text[40], figures[40];
    find_figures(number, text);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1), count = 0;
    if (exponent < -4 || exponent >= 16) {
        writer_format(writer, "%.*se%c%02d", (int)(e - text), text, exponent < 0 ? '-' : '+',
                      abs(exponent));
        return;
    }
    for (const char *c = text; c < e; c++) {
        if (*c >= '0' && *c <= '9')
            figures[count++] = *c;
    }
    writer_format(writer, "%s", signbit(number) ? "-" : "");
    if (exponent < 0)
        writer_format(writer, "0.%.*s%.*s", -exponent - 1, "0000", count, figures);
    else if (count <= exponent + 1)
        writer_format(writer, "%.*s%.*s%s", count, figures, exponent + 1 - count,
                      "0000000000000000", after_whole);
    else
        writer_format(writer, "%.*s.%.*s", exponent + 1, figures, count - exponent - 1,
                      figures + exponent + 1);
}

static void add_double(struct writer *writer, double number, const char *after_whole)
{
    if (isnan(number))
        writer_add(writer, "nan");
    else if (isinf(number))
        writer_add(writer, number < 0 ? "-inf" : "inf");
    else
        add_finite(writer, number, after_whole);
}

static bool add_float(struct writer *writer, const struct python_memory *memory, uint64_t address)
{
    double number;
    if (!python_float_read(memory, address, &number))
        return false;
    add_double(writer, number, ".0");
    return true;
}

/* As complex.__repr__. */
static bool add_complex(struct writer *writer, const struct python_memory *memory, uint64_t address)
{
    double real, imaginary;
    if (!python_complex_read(memory, address, &real, &imaginary))
        return false;
    bool is_imaginary = real == 0 && !signbit(real);
    if (!is_imaginary) {
        writer_add(writer, "(");
        add_double(writer, real, "");
        writer_add(writer, isnan(imaginary) || !signbit(imaginary) ? "+" : "");
    }
    add_double(writer, imaginary, "");
    writer_add(writer, is_imaginary ? "j" : "j)");
    return true;
}

/* --- str and bytes. --- */

/* What is read of a string. */
struct characters {
    uint8_t bytes[4 * ELEMENTS_MAX];
    size_t count;
    unsigned kind; /* bytes of each */
    bool is_cut;
};

static uint32_t character_at(const struct characters *characters, size_t index)
{
    uint32_t c = 0;
    memcpy(&c, characters->bytes + index * characters->kind, characters->kind);
    return c;
}

/* repr() takes double quotes where single ones are in the string, and no double ones. */
static char quote_for(const struct characters *characters)
{
    bool has_single = false, has_double = false;
    for (size_t i = 0; i < characters->count; i++) {
        has_single |= character_at(characters, i) == '\'';
        has_double |= character_at(characters, i) == '"';
    }
    return has_single && !has_double ? '"' : '\'';
}

/* What would not be seen, or move what is around it: controls, and characters that only direct how
   others are shown (Unicode's categories Cc, Cf, Zl, Zp), surrogates, and what is no character. */
static bool is_invisible(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x600 && c <= 0x605) ||
           c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           (c >= 0xd800 && c <= 0xf8ff) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
           (c & 0xfffe) == 0xfffe || c >= 0xe0000;
}

static void add_character(struct writer *writer, uint32_t c, char quote, bool is_bytes)
{
    char text[5] = "";
    if (c == '\n' || c == '\r' || c == '\t')
        writer_format(writer, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (c == (uint32_t)quote || c == '\\')
        writer_format(writer, "\\%c", (int)c);
    else if (c <= 0xff && (is_invisible(c) || (is_bytes && c >= 0x7f)))
        writer_format(writer, "\\x%02" PRIx32, c);
    else if (is_invisible(c))
        writer_format(writer, c > 0xffff ? "\\U%08" PRIx32 : "\\u%04" PRIx32, c);
    else if (python_put_character(text, sizeof(text) - 1, c))
        writer_add(writer, text);
}

static bool add_characters(struct writer *writer, const struct python_memory *memory, uint64_t data,
                           uint64_t length, unsigned kind, bool is_bytes)
{
    struct characters characters = {.kind = kind, .is_cut = length > ELEMENTS_MAX};
    characters.count = characters.is_cut ? ELEMENTS_MAX : (size_t)length;
    if (characters.count && !python_read(memory, data, characters.bytes, characters.count * kind))
        return false;
    char quote = quote_for(&characters);
    writer_format(writer, "%s%c", is_bytes ? "b" : "", quote);
    for (size_t i = 0; i < characters.count; i++)
        add_character(writer, character_at(&characters, i), quote, is_bytes);
    writer_format(writer, "%c%s", quote, characters.is_cut ? "..." : "");
    return true;
}

static bool add_string(struct writer *writer, const struct python *python,
                       const struct python_memory *memory, uint64_t address)
{
    struct python_string string;
    return python_string_find(python, memory, address, &string) &&
           add_characters(writer, memory, string.data, string.length, string.kind, false);
}

static bool add_bytes(struct writer *writer, const struct python *python,
                      const struct python_memory *memory, uint64_t address)
{
    uint64_t data, length;
    return python_bytes_find(python, memory, address, &data, &length) &&
           add_characters(writer, memory, data, length, 1, true);
}

bool python_scalar_add(struct writer *writer, const struct python *python,
                       const struct python_memory *memory, const struct python_object *object)
{
    switch (object->kind) {
    case PYTHON_INT:
        return add_int(writer, python, memory, object->address);
    case PYTHON_FLOAT:
        return add_float(writer, memory, object->address);
    case PYTHON_COMPLEX:
        return add_complex(writer, memory, object->address);
    case PYTHON_STR:
        return add_string(writer, python, memory, object->address);
    case PYTHON_BYTES:
        return add_bytes(writer, python, memory, object->address);
    default:
        return false;
    }
}
