/* Characters and strings, of one byte each or wide, escaped as gdb has them. */
#include "src/value_writer.h"

#include "src/message.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <string.h>

#define PAGE 4096
/* The most bytes of a character. */
#define WIDTH_MAX 4
/* Typedefs and qualifiers around one type. */
#define TYPEDEFS_MAX 64

/* One character of a string. */
struct character {
    uint32_t code; /* a code point; of `raw` the bytes as they are */
    bool raw;      /* they are no character */
    size_t size;   /* bytes that it takes in the target */
};

/* Bytes of the target that are characters. */
struct characters {
    const uint8_t *bytes;
    size_t size;
    unsigned width; /* of each: 1 (UTF-8), 2 (UTF-16) or 4 bytes */
};

/* Control characters, those of C1 too, would move the cursor of a terminal. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

static struct character next_byte(const uint8_t *bytes, size_t size)
{
    char text[5] = "";
    uint32_t code;
    memcpy(text, bytes, size < 4 ? size : 4);
    size_t length = *text ? message_utf8_length(text, &code) : 1;
    if (length > 1 && !is_control(code))
        return (struct character){.code = code, .size = length};
    return (struct character){.code = bytes[0], .raw = length != 1, .size = 1};
}

static bool is_surrogate(uint32_t code)
{
    return code >= 0xd800 && code < 0xe000;
}

static struct character next_wide(const uint8_t *bytes, size_t size, unsigned width)
{
    struct character c = {.size = width};
    uint16_t low;
    memcpy(&c.code, bytes, width);
    if (width == 2 && c.code >= 0xd800 && c.code < 0xdc00 && size >= 4) {
        memcpy(&low, bytes + 2, sizeof(low));
        if (low >= 0xdc00 && low < 0xe000)
            return (struct character){.code = 0x10000 + ((c.code - 0xd800) << 10) + (low - 0xdc00),
                                      .size = 4};
    }
    c.raw = is_surrogate(c.code) || c.code > 0x10ffff;
    return c;
}

static struct character next_character(const struct characters *characters, size_t at)
{
    const uint8_t *bytes = characters->bytes + at;
    size_t size = characters->size - at;
    return characters->width == 1 ? next_byte(bytes, size)
                                  : next_wide(bytes, size, characters->width);
}

/* The letter of an escape of one letter; 0: there is none. */
static char escape(uint32_t code)
{
    static const char codes[] = "\a\b\t\n\v\f\r", letters[] = "abtnvfr";
    const char *found = code && code < 0x80 ? strchr(codes, (int)code) : NULL;
    return found ? letters[found - codes] : '\0';
}

static void add_utf8(struct writer *writer, uint32_t code)
{
    if (code < 0x80)
        writer_format(writer, "%c", (int)code);
    else if (code < 0x800)
        writer_format(writer, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 0x3f));
    else if (code < 0x10000)
        writer_format(writer, "%c%c%c", 0xe0 | code >> 12, 0x80 | (code >> 6 & 0x3f),
                      0x80 | (code & 0x3f));
    else
        writer_format(writer, "%c%c%c%c", 0xf0 | code >> 18, 0x80 | (code >> 12 & 0x3f),
                      0x80 | (code >> 6 & 0x3f), 0x80 | (code & 0x3f));
}

static void add_character(struct writer *writer, const struct character *c, char quote)
{
    if (escape(c->code))
        writer_format(writer, "\\%c", escape(c->code));
    else if (c->code == (uint32_t)quote || c->code == '\\')
        writer_format(writer, "\\%c", (int)c->code);
    else if ((c->raw || is_control(c->code)) && c->code > 0xff)
        writer_format(writer, "\\x%" PRIx32, c->code);
    else if (c->raw || is_control(c->code))
        writer_format(writer, "\\%03" PRIo32, c->code);
    else
        add_utf8(writer, c->code);
}

static size_t count_equal(const struct characters *characters, size_t at, struct character *ret)
{
    size_t count = 1;
    *ret = next_character(characters, at);
    for (at += ret->size; at < characters->size; at += ret->size) {
        struct character next = next_character(characters, at);
        if (next.code != ret->code || next.size != ret->size || next.raw != ret->raw)
            break;
        count++;
    }
    return count;
}

/* What is between double quotes. */
struct segment {
    struct writer *writer;
    const char *prefix;
    bool open, follows; /* another one */
};

static void segment_close(struct segment *segment)
{
    if (segment->open)
        writer_add(segment->writer, "\"");
    segment->follows |= segment->open;
    segment->open = false;
}

static void segment_begin(struct segment *segment, const char *quote)
{
    writer_format(segment->writer, "%s%s%s", segment->follows ? ", " : "", segment->prefix, quote);
}

static void add_counted(struct segment *segment, const struct character *c, size_t count)
{
    segment_close(segment);
    segment_begin(segment, "'");
    add_character(segment->writer, c, '\'');
    writer_format(segment->writer, "' <repeats %zu times>", count);
    segment->follows = true;
}

static void add_quoted(struct segment *segment, const struct character *c, size_t count)
{
    if (!segment->open)
        segment_begin(segment, "\"");
    segment->open = true;
    for (size_t i = 0; i < count; i++)
        add_character(segment->writer, c, '"');
}

/* As gdb has it: "abc", 'x' <repeats 24 times>, "def". */
void writer_add_string(struct writer *writer, const struct encoding *encoding, const uint8_t *bytes,
                       size_t size)
{
    const struct characters characters = {bytes, size - size % encoding->width, encoding->width};
    struct segment segment = {.writer = writer, .prefix = encoding->prefix};
    struct character c;
    size_t count;
    if (!characters.size)
        writer_format(writer, "%s\"\"", encoding->prefix);
    for (size_t at = 0; at < characters.size; at += count * c.size) {
        count = count_equal(&characters, at, &c);
        if (count > REPEATS_SHOWN)
            add_counted(&segment, &c, count);
        else
            add_quoted(&segment, &c, count);
    }
    segment_close(&segment);
}

/* The first character that is 0; `size`: there is none. */
static size_t find_end(const uint8_t *bytes, size_t size, unsigned width)
{
    static const uint8_t zero[4];
    for (size_t i = 0; i + width <= size; i += width)
        if (memcmp(bytes + i, zero, width) == 0)
            return i;
    return size;
}

/* A string that fills all that is shown may end right there. */
static bool is_end(struct writer *writer, const struct encoding *encoding, uint64_t address)
{
    uint8_t bytes[WIDTH_MAX];
    return value_frame_read(writer->frame, address, bytes, encoding->width) &&
           find_end(bytes, encoding->width, encoding->width) == 0;
}

uint64_t writer_add_string_at(struct writer *writer, const struct encoding *encoding,
                              uint64_t address)
{
    uint8_t bytes[ELEMENTS_MAX * WIDTH_MAX];
    size_t size = 0, most = ELEMENTS_MAX * encoding->width, end = 0;
    while (size < most && end == size) {
        /* Up to the end of the page: the next one may not be there. */
        size_t part = PAGE - (address + size) % PAGE;
        if (part > most - size)
            part = most - size;
        if (!value_frame_read(writer->frame, address + size, bytes + size, part))
            break;
        size += part;
        end = find_end(bytes, size, encoding->width);
    }
    if (!size) {
        writer_add_problem(writer, PLACE_UNREADABLE);
        return 0;
    }
    writer_add_string(writer, encoding, bytes, end);
    if (end < size || is_end(writer, encoding, address + size))
        return end + encoding->width;
    writer_add(writer, "...");
    return size;
}

void writer_add_char_array(struct writer *writer, const struct encoding *encoding,
                           const struct storage *storage, uint64_t offset, uint64_t count)
{
    uint8_t bytes[ELEMENTS_MAX * WIDTH_MAX];
    uint64_t shown = count < ELEMENTS_MAX ? count : ELEMENTS_MAX;
    size_t size = (size_t)shown * encoding->width;
    enum place place = storage_read(writer->frame, storage, offset, bytes, size);
    if (place != PLACE_BYTES) {
        writer_add_problem(writer, place);
        return;
    }
    /* Zeroes at the end say nothing. */
    while (shown == count && size &&
           !find_end(bytes + size - encoding->width, encoding->width, encoding->width))
        size -= encoding->width;
    writer_add_string(writer, encoding, bytes, size);
    if (shown < count)
        writer_format(writer, "... %" PRIu64 " more", count - shown);
}

/* "65 'A'". */
void writer_add_char(struct writer *writer, const struct encoding *encoding, uint64_t value,
                     bool is_signed)
{
    uint8_t bytes[sizeof(value)];
    memcpy(bytes, &value, sizeof(value));
    const struct characters characters = {bytes, encoding->width, encoding->width};
    const struct character c = next_character(&characters, 0);
    writer_format(writer, is_signed ? "%" PRId64 " %s'" : "%" PRIu64 " %s'", value,
                  encoding->prefix);
    add_character(writer, &c, '\'');
    writer_add(writer, "'");
}

/* --- Which types are text. --- */

const struct encoding encoding_char = {1, ""};

/* By their names, as gdb has it: in C they are typedefs of plain integers. */
static bool find_wide_name(const Dwarf_Die *type, struct encoding *ret)
{
    static const struct {
        const char *name;
        struct encoding encoding;
    } wide[] = {{"wchar_t", {4, "L"}}, {"char16_t", {2, "u"}}, {"char32_t", {4, "U"}}};
    Dwarf_Die die = *type;
    for (unsigned depth = 0; depth < TYPEDEFS_MAX; depth++) {
        const char *name = type_die_name(&die);
        for (size_t i = 0; name && i < sizeof(wide) / sizeof(wide[0]); i++) {
            if (strcmp(name, wide[i].name) == 0) {
                *ret = wide[i].encoding;
                return true;
            }
        }
        if (dwarf_tag(&die) == DW_TAG_base_type || !type_of(&die, &die))
            return false;
    }
    return false;
}

bool encoding_of_type(const Dwarf_Die *type, struct encoding *ret)
{
    Dwarf_Die die;
    uint64_t size;
    if (!type_strip(type, &die) || dwarf_tag(&die) != DW_TAG_base_type)
        return false;
    if (type_is_char(&die)) {
        *ret = encoding_char;
        return true;
    }
    return find_wide_name(type, ret) && type_byte_size(&die, &size) && size == ret->width;
}
