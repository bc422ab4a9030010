/* The command `read`: memory, as it is at this moment. */
#include "payload/console.h"
#include "payload/memory.h"
#include "payload/text.h"

#define LARGEST_DUMP (16u << 20)
#define ROW 16

static void show_row(struct output *output, uintptr_t address, const unsigned char *bytes,
                     size_t size)
{
    char line[128];
    size_t used = text_format(line, sizeof(line), "%016lx ", address);
    for (size_t i = 0; i < ROW; i++) {
        if (i == ROW / 2)
            line[used++] = ' ';
        if (i < size)
            used += text_format(line + used, sizeof(line) - used, " %02x", bytes[i]);
        else
            used += text_format(line + used, sizeof(line) - used, "   ");
    }
    used += text_format(line + used, sizeof(line) - used, "  |");
    for (size_t i = 0; i < size; i++)
        line[used++] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    line[used++] = '|';
    line[used++] = '\n';
    output_bytes(output, line, used);
}

/* A number or a name; returns what follows it, or NULL, perhaps with the request failed. */
static const char *take_address(struct request *request, const char *text, uint64_t *address,
                                bool *overflow)
{
    const char *rest = text_number(text, address, overflow);
    char name[256];
    size_t length = 0;
    while (text[length] && !text_is_blank(text[length]))
        length++;
    if (rest || *overflow || !length || length >= sizeof(name))
        return rest;
    text_format(name, sizeof(name), "%.*s", (int)length, text);
    return request_look_up(request, name, address) ? text + length : NULL;
}

/* Two numbers, the first of which may be a name, and nothing after them. */
static bool parse_range(struct request *request, const char *arguments, uint64_t *address,
                        uint64_t *length)
{
    bool overflow;
    const char *rest = take_address(request, arguments, address, &overflow);
    if (!rest && *request->text)
        return false;
    if (rest && text_is_blank(*rest))
        rest = text_number(text_skip_blanks(rest), length, &overflow);
    else
        rest = NULL;
    if (!rest || *text_skip_blanks(rest)) {
        request_fail(request, overflow ? "read: a number that does not fit into 64 bits"
                                       : "read: takes an address and a length: read 0x1000 64");
        return false;
    }
    if (*length > LARGEST_DUMP || *address + *length < *address) {
        request_fail(request, "read: at most %u bytes at a time, and none beyond the last address",
                     LARGEST_DUMP);
        return false;
    }
    return true;
}

void command_read(struct request *request, const char *arguments)
{
    uint64_t address, length;
    if (!parse_range(request, arguments, &address, &length))
        return;
    while (length && output_wanted(request->output)) {
        unsigned char bytes[64 * ROW];
        size_t piece = length < sizeof(bytes) ? length : sizeof(bytes);
        size_t got = memory_read(address, bytes, piece);
        for (size_t i = 0; i < got; i += ROW)
            show_row(request->output, address + i, bytes + i, got - i < ROW ? got - i : ROW);
        address += got;
        length -= got;
        if (got < piece) {
            request_fail(request, "read: 0x%lx is not readable", address);
            return;
        }
    }
}
