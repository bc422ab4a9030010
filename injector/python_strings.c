/* Strings of a Python program. */
#include "injector/python_objects.h"

#include <string.h>

/* Bits of PyASCIIObject.state: Include/cpython/unicodeobject.h, the same from 3.3 to 3.14. */
#define STATE_KIND(state) ((state) >> 2 & 7)
#define STATE_COMPACT 0x20
#define STATE_ASCII 0x40

/* The head of a string, bytes. */
#define HEAD_MAX 64
/* No string is longer. */
#define LENGTH_MAX (UINT64_C(1) << 40)
/* Characters of a string that are read at once. */
#define READ_MAX PYTHON_PATH_MAX

size_t python_put_character(char *to, size_t room, uint32_t c)
{
    if (c >= 0xdc80 && c <= 0xdcff) {
        if (room)
            to[0] = (char)(c - 0xdc00);
        return room ? 1 : 0;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (length > room)
        return 0;
    for (size_t i = length; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(first[length] | c);
    return length;
}

static bool fits(const struct python_layout *layout)
{
    return layout->unicode_compact <= 2 * HEAD_MAX && layout->unicode_state + 4 <= HEAD_MAX &&
           layout->unicode_length + 8 <= HEAD_MAX && layout->unicode_ascii <= HEAD_MAX &&
           layout->object_type < layout->unicode_ascii;
}

/* Strings of types derived from str, and before 3.12 some others, keep their characters elsewhere:
   PyUnicodeObject.data. */
bool python_string_find(const struct python *python, const struct python_memory *memory,
                        uint64_t address, struct python_string *ret)
{
    const struct python_layout *layout = &python->layout;
    uint8_t head[HEAD_MAX];
    uint32_t state;
    uint32_t type = layout->object_type; /* before it only how many refer to it, which may change */
    if (!fits(layout) ||
        !python_read(memory, address + type, head + type, layout->unicode_ascii - type))
        return false;
    memcpy(&state, head + layout->unicode_state, sizeof(state));
    memcpy(&ret->length, head + layout->unicode_length, sizeof(ret->length));
    ret->kind = STATE_KIND(state);
    ret->data = address + (state & STATE_ASCII ? layout->unicode_ascii : layout->unicode_compact);
    if ((ret->kind != 1 && ret->kind != 2 && ret->kind != 4) || ret->length > LENGTH_MAX)
        return false;
    return state & STATE_COMPACT ||
           python_read_word(memory, address + layout->unicode_compact, &ret->data);
}

static uint32_t character_at(const uint8_t *data, size_t index, unsigned kind)
{
    uint32_t c = 0;
    memcpy(&c, data + index * kind, kind); /* little-endian, as the target */
    return c;
}

/* The characters of a string as UTF-8, as many as there is room for. */
static void encode(const uint8_t *data, size_t count, unsigned kind, char *ret, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length =
            python_put_character(ret + used, size - 1 - used, character_at(data, i, kind));
        if (!length)
            break;
        used += length;
    }
    ret[used] = '\0';
}

bool python_string_read(const struct python *python, const struct python_memory *memory,
                        uint64_t address, char *ret, size_t size)
{
    uint8_t data[4 * READ_MAX];
    uint64_t type;
    struct python_string string;
    if (!python_read_word(memory, address + python->layout.object_type, &type) ||
        type != python->unicode_type || !python_string_find(python, memory, address, &string))
        return false;
    size_t count = string.length < size ? (size_t)string.length : size;
    if (count > READ_MAX || (count && !python_read(memory, string.data, data, count * string.kind)))
        return false;
    encode(data, count, string.kind, ret, size);
    return true;
}
