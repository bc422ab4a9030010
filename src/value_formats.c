/* Values by the letter of a format, as gdb 13 prints them ("Output Formats" in its manual). */
#include "src/value_writer.h"

#include <inttypes.h>
#include <string.h>

typedef unsigned __int128 wide;

/* The bytes of a long double that are its value; the others are padding (System V ABI, 3.1.2). */
#define LONG_DOUBLE_BYTES 10

bool writer_has_format(const struct writer *writer)
{
    return writer->format && writer->format != 's';
}

static wide extended(wide value, size_t size, bool is_signed)
{
    unsigned unused = (unsigned)(sizeof(value) - size) * 8;
    return is_signed ? (wide)((__int128)(value << unused) >> unused) : value << unused >> unused;
}

/* Without zeroes in front, but with so many digits at least. */
static void add_base(struct writer *writer, wide value, unsigned bits, unsigned least)
{
    char digits[sizeof(value) * 8 + 1];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    for (unsigned count = 0; value || count < least; count++, value >>= bits)
        digits[--at] = "0123456789abcdef"[(unsigned)value & ((1u << bits) - 1)];
    writer_add(writer, digits + at);
}

static void add_integer(struct writer *writer, wide value, size_t size, bool is_signed)
{
    uint8_t bytes[sizeof(value)];
    value = extended(value, size, is_signed);
    memcpy(bytes, &value, sizeof(value));
    writer_add_wide_integer(writer, bytes, is_signed);
}

/* Of floating point numbers an address and a character take the number, not its bits. */
static wide as_number(wide value, const struct formatted *formatted)
{
    if (!formatted->is_float)
        return extended(value, formatted->size, formatted->is_signed);
    long double number = float_value(formatted->bytes, formatted->size);
    return number > INT64_MIN && number < INT64_MAX ? (wide)(__int128)(int64_t)number : 0;
}

static void add_float(struct writer *writer, wide value, const struct formatted *formatted)
{
    size_t size = formatted->size;
    if (formatted->is_float || size == sizeof(float) || size == sizeof(double))
        writer_add_float(writer, formatted->bytes, size);
    else
        add_integer(writer, value, size, formatted->is_signed);
}

void writer_add_formatted(struct writer *writer, const struct formatted *formatted)
{
    wide value = 0;
    size_t size = formatted->size;
    bool padded = formatted->is_padded;
    if (formatted->is_float && size > LONG_DOUBLE_BYTES)
        size = LONG_DOUBLE_BYTES;
    memcpy(&value, formatted->bytes, size);
    switch (writer->format) {
    case 'x':
    case 'z':
        writer_add(writer, "0x");
        padded |= writer->format == 'z';
        add_base(writer, value, 4, padded ? (unsigned)formatted->size * 2 : 1);
        return;
    case 'o':
        writer_add(writer, value ? "0" : "");
        add_base(writer, value, 3, 1);
        return;
    case 't':
        add_base(writer, value, 1, padded ? (unsigned)size * 8 : 1);
        return;
    case 'd':
    case 'u':
        add_integer(writer, value, size, writer->format == 'd');
        return;
    case 'a':
        writer_add_address(writer, NULL, (uint64_t)as_number(value, formatted));
        return;
    case 'c':
        value = extended(as_number(value, formatted), 1, formatted->is_signed);
        writer_add_char(writer, &encoding_char, (uint64_t)value, formatted->is_signed);
        return;
    case 'f':
        add_float(writer, value, formatted);
        return;
    }
}
