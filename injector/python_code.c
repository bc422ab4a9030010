#include "injector/python_code.h"

#include "injector/python_objects.h"

#include <string.h>

/* Objects of code are no larger, bytes. */
#define CODE_MAX 512

/* No table of lines is larger: a function of ten thousand lines has some 100 KB. */
#define LINES_MAX (UINT64_C(16) << 20)

static uint64_t word_in(const uint8_t *bytes, uint32_t offset)
{
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof(word));
    return word;
}

static uint32_t half_in(const uint8_t *bytes, uint32_t offset)
{
    uint32_t half;
    memcpy(&half, bytes + offset, sizeof(half));
    return half;
}

/* --- The object. --- */

static bool fits(const struct python_layout *layout)
{
    return layout->code_size <= CODE_MAX && layout->code_size >= 8 &&
           layout->code_file + 8 <= layout->code_size &&
           layout->code_name + 8 <= layout->code_size &&
           layout->code_qualname + 8 <= layout->code_size &&
           layout->code_lines + 8 <= layout->code_size &&
           layout->code_first_line + 4 <= layout->code_size &&
           layout->code_bytes + 8 <= layout->code_size &&
           layout->object_type + 8 <= layout->code_size;
}

bool python_code_read(const struct python *python, const struct python_memory *memory,
                      uint64_t address, struct python_code *ret)
{
    const struct python_layout *layout = &python->layout;
    uint8_t bytes[CODE_MAX];
    if (!fits(layout) || !python_read(memory, address, bytes, layout->code_size) ||
        word_in(bytes, layout->object_type) != python->code_type)
        return false;
    uint64_t name =
        word_in(bytes, layout->code_qualname ? layout->code_qualname : layout->code_name);
    ret->first_line = (int)half_in(bytes, layout->code_first_line);
    ret->lines = word_in(bytes, layout->code_lines);
    ret->bytes = layout->frames == PYTHON_FRAME_OBJECTS ? 0 : address + layout->code_bytes;
    return python_string_read(python, memory, name, ret->function, sizeof(ret->function)) &&
           python_string_read(python, memory, word_in(bytes, layout->code_file), ret->file,
                              sizeof(ret->file));
}

/* --- Lines. --- */

/* A table that is read from its beginning on, a part at a time. */
struct table {
    const struct python_memory *memory;
    uint64_t next; /* of what is not in the buffer yet */
    uint64_t left;
    uint8_t buffer[256];
    size_t at, filled;
    bool failed;
};

static bool open_table(const struct python *python, const struct python_memory *memory,
                       uint64_t address, struct table *ret)
{
    const struct python_layout *layout = &python->layout;
    uint64_t type, size;
    if (!python_read_word(memory, address + layout->object_type, &type) ||
        type != python->bytes_type ||
        !python_read_word(memory, address + layout->bytes_size, &size) || size > LINES_MAX)
        return false;
    *ret = (struct table){.memory = memory, .next = address + layout->bytes_data, .left = size};
    return true;
}

static bool at_end(const struct table *table)
{
    return table->failed || (table->at == table->filled && !table->left);
}

/* 0 behind the end. */
static uint8_t next_byte(struct table *table)
{
    if (table->at == table->filled) {
        size_t part =
            table->left < sizeof(table->buffer) ? (size_t)table->left : sizeof(table->buffer);
        if (!part || !python_read(table->memory, table->next, table->buffer, part)) {
            table->failed = true;
            return 0;
        }
        table->next += part;
        table->left -= part;
        table->filled = part;
        table->at = 0;
    }
    return table->buffer[table->at++];
}

/* Lines are no larger; beyond, the table is damaged, and nothing overflows on the way there. */
static bool is_line(int64_t line)
{
    return line >= 0 && line <= INT32_MAX;
}

/* Pairs of how far to go: in the code, then in lines (Objects/lnotab_notes.txt of 3.9). */
static int64_t line_by_lnotab(struct table *table, int64_t line, int64_t instruction)
{
    int64_t address = 0;
    while (!at_end(table) && is_line(line)) {
        address += next_byte(table);
        if (address > instruction)
            break;
        line += (int8_t)next_byte(table);
    }
    return line;
}

/* Of 3.10, Objects/lnotab_notes.txt: -128 is code without a line. */
#define NO_LINE (-128)

static int64_t line_by_linetable(struct table *table, int64_t line, int64_t instruction)
{
    int64_t end = 0;
    while (!at_end(table) && is_line(line)) {
        end += next_byte(table);
        int8_t delta = (int8_t)next_byte(table);
        if (delta != NO_LINE)
            line += delta;
        if (end > instruction)
            return delta == NO_LINE ? 0 : line;
    }
    return 0;
}

/* Six bits a byte, the lowest first, a seventh for "more" (Objects/locations.md). */
static uint64_t next_varint(struct table *table)
{
    uint64_t value = 0;
    uint8_t byte;
    unsigned shift = 0;
    do {
        byte = next_byte(table);
        if (shift < 60)
            value |= (uint64_t)(byte & 0x3f) << shift;
        shift += 6;
    } while (byte & 0x40 && !table->failed);
    return value;
}

static int64_t next_signed_varint(struct table *table)
{
    uint64_t value = next_varint(table);
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* Codes of an entry: enum _PyCodeLocationInfoKind, Include/cpython/code.h. */
enum { SHORT_LAST = 9, ONE_LINE_FIRST = 10, ONE_LINE_LAST = 12, NO_COLUMNS = 13, LONG = 14 };

/* How many lines an entry goes on; skips its columns. */
static int64_t next_line_delta(struct table *table, unsigned code)
{
    int64_t delta = 0;
    if (code <= SHORT_LAST) {
        next_byte(table);
    } else if (code <= ONE_LINE_LAST) {
        delta = code - ONE_LINE_FIRST;
        next_byte(table);
        next_byte(table);
    } else if (code == NO_COLUMNS || code == LONG) {
        delta = next_signed_varint(table);
        for (unsigned i = 0; code == LONG && i < 3; i++)
            next_varint(table);
    }
    return delta;
}

static int64_t line_by_locations(struct table *table, int64_t line, int64_t instruction)
{
    int64_t end = 0;
    while (!at_end(table) && is_line(line)) {
        uint8_t head = next_byte(table);
        if (!(head & 0x80)) /* entries begin with this bit, nothing else has it */
            return 0;
        unsigned code = head >> 3 & 0xf;
        line += next_line_delta(table, code);
        end += ((head & 7) + 1) * 2; /* code units of two bytes */
        if (end > instruction)
            return code > LONG ? 0 : line;
    }
    return 0;
}

int python_code_line(const struct python *python, const struct python_memory *memory,
                     const struct python_code *code, int64_t instruction)
{
    struct table table;
    int64_t line = code->first_line;
    if (!open_table(python, memory, code->lines, &table))
        return 0;
    if (instruction < 0) /* as PyCode_Addr2Line, Objects/codeobject.c */
        return is_line(line) ? (int)line : 0;
    switch (python->layout.lines) {
    case PYTHON_LNOTAB:
        line = line_by_lnotab(&table, line, instruction);
        break;
    case PYTHON_LINETABLE:
        line = line_by_linetable(&table, line, instruction);
        break;
    case PYTHON_LOCATIONS:
        line = line_by_locations(&table, line, instruction);
        break;
    }
    return !table.failed && is_line(line) ? (int)line : 0;
}
