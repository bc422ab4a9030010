#include "src/value_writer.h"

#include "injector/module.h"
#include "src/message.h"
#include "src/types.h"

#include <dwarf.h>
#include <float.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENUMERATORS_MAX 65536
#define PAGE 4096

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

/* --- Strings. --- */

/* The escape of a byte that does not stand for itself; NULL: it does. */
static const char *escape(uint8_t byte)
{
    switch (byte) {
    case '\n':
        return "\\n";
    case '\t':
        return "\\t";
    case '\r':
        return "\\r";
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    default:
        return NULL;
    }
}

/* One character; returns how many bytes it has. `bytes` is NUL terminated. */
static size_t add_character(struct writer *writer, const char *bytes)
{
    uint32_t c;
    uint8_t byte = (uint8_t)bytes[0];
    size_t length = byte ? message_utf8_length(bytes, &c) : 0;
    bool control = length == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0);
    if (escape(byte))
        writer_add(writer, escape(byte));
    else if (control)
        writer_format(writer, "\\%03o", byte);
    else
        writer_format(writer, "%.*s", (int)length, bytes);
    return control || !length ? 1 : length;
}

void writer_add_string(struct writer *writer, const uint8_t *bytes, size_t size, bool cut)
{
    char text[ELEMENTS_MAX + 1];
    if (size > ELEMENTS_MAX) {
        size = ELEMENTS_MAX;
        cut = true;
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    writer_add(writer, "\"");
    for (size_t i = 0; i < size;)
        i += add_character(writer, text + i);
    writer_add(writer, cut ? "\"..." : "\"");
}

void writer_add_string_at(struct writer *writer, uint64_t address)
{
    uint8_t bytes[ELEMENTS_MAX + 1];
    size_t size = 0;
    while (size < sizeof(bytes)) {
        /* Up to the end of the page: the next one may not be there. */
        size_t part = PAGE - (address + size) % PAGE;
        if (part > sizeof(bytes) - size)
            part = sizeof(bytes) - size;
        if (!value_frame_read(writer->frame, address + size, bytes + size, part))
            break;
        const uint8_t *end = memchr(bytes + size, '\0', part);
        if (end) {
            writer_add_string(writer, bytes, (size_t)(end - bytes), false);
            return;
        }
        size += part;
    }
    if (size)
        writer_add_string(writer, bytes, size, true);
    else
        writer_add_problem(writer, PLACE_UNREADABLE);
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
    bool flags; /* no two enumerators have a bit in common */
};

static void look_at_enumerators(Dwarf_Die *type, uint64_t value, struct enumeration *ret)
{
    Dwarf_Die die;
    uint64_t number, seen = 0, size;
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
        if ((seen & number) || (int64_t)number < 0)
            ret->flags = false;
        seen |= number;
    } while (++count < ENUMERATORS_MAX && dwarf_siblingof(&die, &die) == 0);
    ret->flags &= seen != 0;
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

/* "65 'A'"; of wide ones the number tells more than what a terminal may make of them. */
void writer_add_char(struct writer *writer, uint64_t value, bool is_signed)
{
    const char bytes[2] = {(char)value, '\0'};
    writer_format(writer, is_signed ? "%" PRId64 " '" : "%" PRIu64 " '", value);
    if (value == '\'')
        writer_add(writer, "\\'");
    else if (value == '"')
        writer_add(writer, "\"");
    else
        add_character(writer, bytes);
    writer_add(writer, "'");
}

static void add_wide_char(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
    uint64_t size;
    const char *prefix = type_byte_size(type, &size) && size == 2 ? "u" : "U";
    writer_format(writer, "%" PRIu64, value);
    if (value >= 0x20 && value < 0x7f)
        writer_format(writer, " %s'%s%c'", prefix, value == '\'' || value == '\\' ? "\\" : "",
                      (char)value);
}

void writer_add_number(struct writer *writer, Dwarf_Die *type, uint64_t value)
{
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
            writer_add_char(writer, value, type_is_signed(type));
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

/* The shortest digits that give the same number again. */
static void add_double(struct writer *writer, double value, int least, int most, bool is_float)
{
    char text[64];
    for (int digits = least; digits <= most; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    writer_add(writer, text);
}

static void add_bytes(struct writer *writer, const uint8_t *bytes, size_t size)
{
    writer_add(writer, "0x");
    for (size_t i = size; i-- > 0;)
        writer_format(writer, "%02x", bytes[i]);
}

void writer_add_float(struct writer *writer, const uint8_t *bytes, size_t size)
{
    float f;
    double d;
    long double l;
    if (size == sizeof(f)) {
        memcpy(&f, bytes, sizeof(f));
        add_double(writer, (double)f, FLT_DIG, FLT_DECIMAL_DIG, true);
    } else if (size == sizeof(d)) {
        memcpy(&d, bytes, sizeof(d));
        add_double(writer, d, DBL_DIG, DBL_DECIMAL_DIG, false);
    } else {
        memcpy(&l, bytes, sizeof(l));
        writer_format(writer, "%.*Lg", LDBL_DIG, l);
    }
}

/* The formats of the C types; others (_Float128, decimal ones) show their bytes. */
static void add_float(struct writer *writer, Dwarf_Die *type, const uint8_t *bytes, size_t size)
{
    const char *name = type_die_name(type);
    bool known = size == sizeof(float) || size == sizeof(double) ||
                 (size == sizeof(long double) && name && strcmp(name, "long double") == 0);
    if (known)
        writer_add_float(writer, bytes, size);
    else
        add_bytes(writer, bytes, size);
}

static void add_wide_integer(struct writer *writer, const uint8_t *bytes, bool is_signed)
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
    } else if (encoding == DW_ATE_complex_float && size <= 2 * sizeof(double)) {
        add_float(writer, type, bytes, size / 2);
        writer_add(writer, " + ");
        add_float(writer, type, bytes + size / 2, size / 2);
        writer_add(writer, "i");
    } else if (size <= sizeof(uint64_t) && type_is_integer(type)) {
        writer_add_number(writer, type, to_number(type, bytes, size));
    } else if (size == 2 * sizeof(uint64_t) && type_is_integer(type)) {
        add_wide_integer(writer, bytes, type_is_signed(type));
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

static void add_pointer(struct writer *writer, Dwarf_Die *type, uint64_t address)
{
    Dwarf_Die target;
    writer_format(writer, "0x%" PRIx64, address);
    if (!address)
        return;
    if (type_of(type, &target) && type_strip(&target, &target) && type_is_char(&target)) {
        writer_add(writer, " ");
        writer_add_string_at(writer, address);
        return;
    }
    writer_add_symbol(writer, address);
}

bool writer_add_scalar(struct writer *writer, Dwarf_Die *type, const struct storage *storage,
                       uint64_t offset)
{
    uint8_t bytes[32];
    uint64_t size;
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
    else if (pointer)
        add_pointer(writer, type, to_number(type, bytes, size));
    else if (tag == DW_TAG_base_type)
        add_base(writer, type, bytes, size);
    else
        writer_add_number(writer, type, to_number(type, bytes, size));
    return true;
}
