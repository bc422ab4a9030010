#include "src/value_writer.h"

#include "injector/module.h"
#include "src/types.h"

#include <dwarf.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENUMERATORS_MAX 65536

void writer_format(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    size_t left = writer->size - writer->used;
    va_start(arguments, format);
    int length = vsnprintf(writer->text + writer->used, left, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    writer->full |= (size_t)length >= left;
    writer->used += (size_t)length < left ? (size_t)length : left - 1;
}

void writer_add(struct writer *writer, const char *text)
{
    writer_format(writer, "%s", text);
}

void writer_next_line(struct writer *writer)
{
    if (writer->nested)
        writer_format(writer, "\n%*s", (int)writer->indent * 2, "");
}

void writer_add_problem(struct writer *writer, enum place place)
{
    switch (place) {
    case PLACE_OPTIMIZED_OUT:
        writer_add(writer, "<optimized out>");
        return;
    case PLACE_SYNTHETIC:
        writer_add(writer, "<synthetic pointer>");
        return;
    case PLACE_UNKNOWN_REGISTER:
        writer_add(writer, "<unknown: by a register that is not known>");
        return;
    case PLACE_UNREADABLE:
        writer_add(writer, writer->frame->thread->process->saved ? "<not saved>" : "<unreadable>");
        return;
    case PLACE_THREAD_LOCAL:
        writer_add(writer, "<unknown: thread-local>");
        return;
    case PLACE_MEMORY:
    case PLACE_BYTES:
    case PLACE_UNKNOWN:
        break;
    }
    writer_add(writer, "<unknown>");
}

/* --- Enumerations. --- */

static bool enumerator_value(Dwarf_Die *die, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Sword number;
    if (dwarf_tag(die) != DW_TAG_enumerator || !dwarf_attr(die, DW_AT_const_value, &attribute) ||
        dwarf_formsdata(&attribute, &number) != 0)
        return false;
    *ret = (uint64_t)number;
    return true;
}

/* Calls of the same value: compilers write 0xff of an 8 bit type as 255 or -1. */
static bool same_value(uint64_t a, uint64_t b, unsigned bits)
{
    return bits >= 64 ? a == b : ((a ^ b) & ((UINT64_C(1) << bits) - 1)) == 0;
}

struct enumeration {
    unsigned bits;
    Dwarf_Die exact; /* of the value looked for */
    bool has_exact;
    bool flags; /* each enumerator is 0 or a single bit */
};

static void look_at_enumerators(Dwarf_Die *type, uint64_t value, struct enumeration *ret)
{
    Dwarf_Die die;
    uint64_t number, all = 0, size;
    unsigned count = 0;
    *ret = (struct enumeration){.bits = 64, .flags = true};
    if (type_byte_size(type, &size) && size < sizeof(value))
        ret->bits = (unsigned)size * 8;
    if (dwarf_child(type, &die) != 0)
        return;
    do {
        if (!enumerator_value(&die, &number))
            continue;
        if (!ret->has_exact && same_value(number, value, ret->bits)) {
            ret->exact = die;
            ret->has_exact = true;
        }
        if ((number & (number - 1)) || (int64_t)number < 0)
            ret->flags = false;
        all |= number;
    } while (++count < ENUMERATORS_MAX && dwarf_siblingof(&die, &die) == 0);
    ret->flags &= all != 0;
}

static void add_enumerator(struct writer *writer, Dwarf_Die *type, Dwarf_Die *enumerator)
{
    Dwarf_Attribute attribute;
    bool scoped = false;
    const char *name = type_die_name(enumerator), *scope = type_die_name(type);
    if (dwarf_attr(type, DW_AT_enum_class, &attribute) &&
        dwarf_formflag(&attribute, &scoped) == 0 && scoped && scope)
        writer_format(writer, "%s::", scope);
    writer_add(writer, name ? name : "?");
}

static void add_flags(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
    Dwarf_Die die;
    uint64_t number;
    unsigned count = 0;
    const char *separator = "(";
    if (dwarf_child(type, &die) == 0) {
        do {
            if (!enumerator_value(&die, &number) || !number || (value & number) != number)
                continue;
            writer_add(writer, separator);
            add_enumerator(writer, type, &die);
            value &= ~number;
            separator = " | ";
        } while (++count < ENUMERATORS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    if (value)
        writer_format(writer, "%sunknown: 0x%" PRIx64, separator, value);
    writer_add(writer, ")");
}

static void add_enumeration(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
    struct enumeration enumeration;
    look_at_enumerators(type, value, &enumeration);
    if (enumeration.has_exact)
        add_enumerator(writer, type, &enumeration.exact);
    else if (enumeration.flags && value)
        add_flags(writer, type, value);
    else
        writer_format(writer, "%" PRId64, (int64_t)value);
}

/* --- Numbers. --- */

static unsigned encoding_of(Dwarf_Die *type)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!dwarf_attr(type, DW_AT_encoding, &attribute) || dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return (unsigned)value;
}

static void add_wide_char(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
    uint64_t size;
    struct encoding encoding = {4, "U"};
    if (type_byte_size(type, &size) && size < 4)
        encoding = size == 2 ? (struct encoding){2, "u"} : (struct encoding){1, "u8"};
    writer_add_char(writer, &encoding, value, false);
}

void writer_add_number(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
    uint64_t size;
    if (writer_has_format(writer) && type_byte_size(type, &size) && size <= sizeof(value)) {
        const struct formatted formatted = {
            .bytes = (const uint8_t *)&value, .size = size, .is_signed = type_is_signed(type)};
        writer_add_formatted(writer, &formatted);
        return;
    }
    if (dwarf_tag(type) == DW_TAG_enumeration_type) {
        add_enumeration(writer, type, value);
        return;
    }
    switch (encoding_of(type)) {
    case DW_ATE_boolean:
        if (value <= 1) {
            writer_add(writer, value ? "true" : "false");
            return;
        }
        break;
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char:
        if (type_is_char(type)) {
            writer_add_char(writer, &encoding_char, value, type_is_signed(type));
            return;
        }
        break;
    case DW_ATE_UTF:
        add_wide_char(writer, type, value);
        return;
    case DW_ATE_address:
        writer_format(writer, "0x%" PRIx64, value);
        return;
    }
    writer_format(writer, type_is_signed(type) ? "%" PRId64 : "%" PRIu64, value);
}

/* The formats of floating point numbers, little endian, as x86 and ARM have them. */
struct float_format {
    size_t size;
    int least, most;   /* decimal digits that any number keeps, and that keep any number */
    unsigned fraction; /* bits: in the lowest ones */
};
static const struct float_format formats[] = {
    {sizeof(float), FLT_DIG, FLT_DECIMAL_DIG, FLT_MANT_DIG - 1},
    {sizeof(double), DBL_DIG, DBL_DECIMAL_DIG, DBL_MANT_DIG - 1},
    /* x87: the leading bit is there too */
    {sizeof(long double), LDBL_DIG, LDBL_DECIMAL_DIG, LDBL_MANT_DIG},
};

long double float_value(const uint8_t *bytes, size_t size)
{
    float f;
    double d;
    long double l;
    if (size == sizeof(f)) {
        memcpy(&f, bytes, sizeof(f));
        return (long double)f;
    }
    if (size == sizeof(d)) {
        memcpy(&d, bytes, sizeof(d));
        return (long double)d;
    }
    memcpy(&l, bytes, sizeof(l));
    return l;
}

static bool reads_back(const char *text, long double value, size_t size)
{
    if (size == sizeof(float))
        return strtof(text, NULL) == (float)value;
    return size == sizeof(double) ? strtod(text, NULL) == (double)value
                                  : strtold(text, NULL) == value;
}

/* The shortest digits that give the same number again. Of normal numbers fewer than `least` show as
   zeroes, which the format leaves out. */
static void add_digits(struct writer *writer, const struct float_format *format, long double value)
{
    char text[64];
    bool normal = format->size == sizeof(float)    ? isnormal((float)value)
                  : format->size == sizeof(double) ? isnormal((double)value)
                                                   : isnormal(value);
    for (int digits = normal ? format->least : 1; digits <= format->most; digits++) {
        snprintf(text, sizeof(text), "%.*Lg", digits, value);
        if (reads_back(text, value, format->size))
            break;
    }
    writer_add(writer, text);
}

/* What is no number has bits that may tell why. */
static void add_nan(struct writer *writer, const struct float_format *format, const uint8_t *bytes,
                    bool negative)
{
    uint64_t fraction = 0;
    memcpy(&fraction, bytes, format->size < sizeof(fraction) ? format->size : sizeof(fraction));
    if (format->fraction < 64)
        fraction &= (UINT64_C(1) << format->fraction) - 1;
    writer_format(writer, "%snan(0x%" PRIx64 ")", negative ? "-" : "", fraction);
}

static void add_bytes(struct writer *writer, const uint8_t *bytes, size_t size)
{
    writer_add(writer, "0x");
    for (size_t i = size; i-- > 0;)
        writer_format(writer, "%02x", bytes[i]);
}

void writer_add_float(struct writer *writer, const uint8_t *bytes, size_t size)
{
    const struct float_format *format = formats;
    while (format->size < size && format->size < sizeof(long double))
        format++;
    long double value = float_value(bytes, format->size);
    if (isnan(value))
        add_nan(writer, format, bytes, signbit(value));
    else
        add_digits(writer, format, value);
}

/* The formats of the C types; others (_Float128, decimal ones) show their bytes. */
static void add_float(struct writer *writer, Dwarf_Die *type, const uint8_t *bytes, size_t size)
{
    const char *name = type_die_name(type);
    bool known = size == sizeof(float) || size == sizeof(double) ||
                 (size == sizeof(long double) && name && strstr(name, "long double"));
    if (known)
        writer_add_float(writer, bytes, size);
    else
        add_bytes(writer, bytes, size);
}

void writer_add_wide_integer(struct writer *writer, const uint8_t *bytes, bool is_signed)
{
    unsigned __int128 value;
    char digits[48];
    size_t at = sizeof(digits) - 1;
    memcpy(&value, bytes, sizeof(value));
    bool negative = is_signed && (__int128)value < 0;
    if (negative)
        value = -value;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value);
    writer_format(writer, "%s%s", negative ? "-" : "", digits + at);
}

/* Little endian, extended according to the type. */
static uint64_t to_number(Dwarf_Die *type, const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, bytes, size);
    unsigned unused = (unsigned)(sizeof(value) - size) * 8;
    if (type_is_signed(type))
        value = (uint64_t)((int64_t)(value << unused) >> unused);
    return value;
}

static void add_base(struct writer *writer, Dwarf_Die *type, const uint8_t *bytes, size_t size)
{
    unsigned encoding = encoding_of(type);
    if (encoding == DW_ATE_float) {
        add_float(writer, type, bytes, size);
    } else if (encoding == DW_ATE_complex_float && size <= 2 * sizeof(long double)) {
        add_float(writer, type, bytes, size / 2);
        writer_add(writer, " + ");
        add_float(writer, type, bytes + size / 2, size / 2);
        writer_add(writer, "i");
    } else if (size <= sizeof(uint64_t) && type_is_integer(type)) {
        writer_add_number(writer, type, to_number(type, bytes, size));
    } else if (size == 2 * sizeof(uint64_t) && type_is_integer(type)) {
        writer_add_wide_integer(writer, bytes, type_is_signed(type));
    } else {
        add_bytes(writer, bytes, size);
    }
}

/* --- Pointers. --- */

void writer_add_symbol(struct writer *writer, uint64_t address)
{
    struct module *module = modules_find(writer->frame->thread->modules, address);
    struct symbol symbol;
    if (!module || !module_symbol(module, address, &symbol))
        return;
    writer_format(writer, " <%s", symbols_demangle(writer->symbols, symbol.name));
    if (address != symbol.address)
        writer_format(writer, "+%" PRIu64, address - symbol.address);
    writer_add(writer, ">");
}

void writer_add_address(struct writer *writer, const struct encoding *encoding, uint64_t address)
{
    writer_format(writer, "0x%" PRIx64, address);
    if (!address)
        return;
    writer_add_symbol(writer, address);
    if (encoding) {
        writer_add(writer, " ");
        writer_add_string_at(writer, encoding, address);
    }
}

static void add_pointer(struct writer *writer, Dwarf_Die *type, uint64_t address)
{
    Dwarf_Die target;
    struct encoding encoding;
    bool is_text = type_of(type, &target) && encoding_of_type(&target, &encoding);
    writer_add_address(writer, is_text ? &encoding : NULL, address);
}

/* False: no format says how. */
static bool add_formatted(struct writer *writer, Dwarf_Die *type, const uint8_t *bytes, size_t size)
{
    struct formatted formatted = {.bytes = bytes,
                                  .size = size,
                                  .is_signed = type_is_signed(type),
                                  .is_float = encoding_of(type) == DW_ATE_float};
    if (!writer_has_format(writer) || size > sizeof(long double))
        return false;
    if (encoding_of(type) != DW_ATE_complex_float) {
        writer_add_formatted(writer, &formatted);
        return true;
    }
    formatted.size = size / 2;
    formatted.is_float = true;
    writer_add_formatted(writer, &formatted);
    writer_add(writer, " + ");
    formatted.bytes += size / 2;
    writer_add_formatted(writer, &formatted);
    writer_add(writer, "i");
    return true;
}

/* Of wide characters only the typedef says that they are some. */
static void add_base_or_wide(struct writer *writer, const Dwarf_Die *declared, Dwarf_Die *type,
                             const uint8_t *bytes, size_t size)
{
    struct encoding encoding;
    if (encoding_of_type(declared, &encoding) && encoding.width > 1)
        writer_add_char(writer, &encoding, to_number(type, bytes, size), type_is_signed(type));
    else
        add_base(writer, type, bytes, size);
}

bool writer_add_scalar(struct writer *writer, const Dwarf_Die *declared,
                       const struct storage *storage, uint64_t offset)
{
    uint8_t bytes[32];
    uint64_t size;
    Dwarf_Die stripped, *type = &stripped;
    if (!type_strip(declared, type))
        return false;
    int tag = dwarf_tag(type);
    bool pointer = tag == DW_TAG_pointer_type;
    /* Unspecified: that of nullptr. */
    if (!pointer && tag != DW_TAG_base_type && tag != DW_TAG_enumeration_type &&
        tag != DW_TAG_ptr_to_member_type && tag != DW_TAG_unspecified_type)
        return false;
    if (!type_byte_size(type, &size))
        size = sizeof(uint64_t);
    if (!size || size > sizeof(bytes) || (tag != DW_TAG_base_type && size > sizeof(uint64_t))) {
        writer_add_problem(writer, PLACE_UNKNOWN);
        return true;
    }
    enum place place = storage_read(writer->frame, storage, offset, bytes, size);
    if (place != PLACE_BYTES)
        writer_add_problem(writer, place);
    else if (add_formatted(writer, type, bytes, size))
        return true;
    else if (pointer)
        add_pointer(writer, type, to_number(type, bytes, size));
    else if (tag == DW_TAG_base_type)
        add_base_or_wide(writer, declared, type, bytes, size);
    else
        writer_add_number(writer, type, to_number(type, bytes, size));
    return true;
}
