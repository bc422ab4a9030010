/* Where the table entry of an address is. */
#include "payload/cfi.h"

#include <string.h>

/* Pointer encodings: LSB Core, "DWARF Exception Header Encoding". */
enum {
    ENCODING_ABSOLUTE = 0x00,
    ENCODING_UDATA4 = 0x03,
    ENCODING_SDATA4 = 0x0b,
    ENCODING_PC_RELATIVE = 0x10,
    ENCODING_TABLE = 0x3b, /* relative to .eh_frame_hdr, 4 bytes with a sign */
    ENCODING_BASE = 0xf0,
    ENCODING_FORMAT = 0x0f,
};

/* No honest table is larger; a broken one must not be searched for ever. */
#define ENTRIES_MAX (UINT32_C(1) << 28)

uint64_t cfi_read_fixed(struct cfi_reader *reader, unsigned size)
{
    uint64_t value = 0; /* little-endian, as every processor that we know */
    if (!reader->ok || reader->at > reader->end || size > reader->end - reader->at ||
        !view_read(reader->view, reader->at, &value, size)) {
        reader->ok = false;
        return 0;
    }
    reader->at += size;
    return value;
}

int64_t cfi_read_fixed_signed(struct cfi_reader *reader, unsigned size)
{
    unsigned unused = 64 - 8 * size;
    return (int64_t)(cfi_read_fixed(reader, size) << unused) >> unused;
}

static uint64_t read_leb128(struct cfi_reader *reader, unsigned *bits, uint8_t *last)
{
    uint64_t value = 0;
    *bits = 0;
    do {
        *last = (uint8_t)cfi_read_fixed(reader, 1);
        if (*bits < 64)
            value |= (uint64_t)(*last & 0x7f) << *bits;
        *bits += 7;
    } while (*last & 0x80);
    return value;
}

uint64_t cfi_read_unsigned(struct cfi_reader *reader)
{
    unsigned bits;
    uint8_t last;
    return read_leb128(reader, &bits, &last);
}

int64_t cfi_read_signed(struct cfi_reader *reader)
{
    unsigned bits;
    uint8_t last;
    uint64_t value = read_leb128(reader, &bits, &last);
    if (bits < 64 && last & 0x40)
        value |= ~UINT64_C(0) << bits;
    return (int64_t)value;
}

void cfi_skip(struct cfi_reader *reader, uint64_t size)
{
    if (size > reader->end - reader->at)
        reader->ok = false;
    else
        reader->at += size;
}

/* The value without its base. */
static uint64_t read_encoded(struct cfi_reader *reader, uint8_t encoding)
{
    switch (encoding & ENCODING_FORMAT) {
    case ENCODING_UDATA4:
        return cfi_read_fixed(reader, 4);
    case ENCODING_SDATA4:
        return (uint64_t)cfi_read_fixed_signed(reader, 4);
    case 0x02:
        return cfi_read_fixed(reader, 2);
    case 0x0a:
        return (uint64_t)cfi_read_fixed_signed(reader, 2);
    case 0x01:
        return cfi_read_unsigned(reader);
    case 0x09:
        return (uint64_t)cfi_read_signed(reader);
    case ENCODING_ABSOLUTE:
    case 0x04:
    case 0x0c:
        return cfi_read_fixed(reader, 8);
    }
    reader->ok = false;
    return 0;
}

/* An address; one that is kept elsewhere, or relative to what we do not know, is none. */
static uintptr_t read_address(struct cfi_reader *reader, uint8_t encoding)
{
    uintptr_t here = reader->at;
    uint64_t value = read_encoded(reader, encoding);
    uint8_t base = encoding & ENCODING_BASE;
    if (base != ENCODING_ABSOLUTE && base != ENCODING_PC_RELATIVE)
        reader->ok = false;
    return base == ENCODING_PC_RELATIVE ? here + value : value;
}

/* A CIE or FDE. False: there is none, or it is in the 64-bit format, which nobody writes here. */
static bool begin_record(struct view *code, uintptr_t at, struct cfi_reader *ret, uint32_t *id)
{
    *ret = (struct cfi_reader){code, at, UINTPTR_MAX, true};
    uint64_t length = cfi_read_fixed(ret, 4);
    if (!ret->ok || !length || length == UINT32_MAX)
        return false;
    ret->end = ret->at + length;
    *id = (uint32_t)cfi_read_fixed(ret, 4);
    return ret->ok;
}

struct augmentation {
    bool sized; /* 'z' */
    uint8_t encoding;
};

/* The letters have been read; now comes what they announced. */
static void read_augmentation(struct cfi_reader *reader, const char *letters,
                              struct augmentation *ret, bool *signal_frame)
{
    uint64_t size = cfi_read_unsigned(reader);
    uintptr_t end = reader->at + size;
    if (size > reader->end - reader->at)
        reader->ok = false;
    for (; *letters && reader->ok; letters++) {
        if (*letters == 'R')
            ret->encoding = (uint8_t)cfi_read_fixed(reader, 1);
        else if (*letters == 'L')
            cfi_read_fixed(reader, 1);
        else if (*letters == 'P')
            read_encoded(reader, (uint8_t)cfi_read_fixed(reader, 1)); /* only to be skipped */
        else if (*letters == 'S')
            *signal_frame = true;
        else
            reader->ok = false;
    }
    reader->at = end;
}

static bool parse_cie(struct view *code, uintptr_t at, struct cfi_entry *ret,
                      struct augmentation *augmentation)
{
    struct cfi_reader reader;
    uint32_t id;
    char letters[8] = "";
    if (!begin_record(code, at, &reader, &id) || id)
        return false;
    uint64_t version = cfi_read_fixed(&reader, 1);
    for (size_t i = 0; (letters[i] = (char)cfi_read_fixed(&reader, 1)); i++)
        if (i == sizeof(letters) - 1)
            return false;
    if (!reader.ok || (version != 1 && version != 3) || (letters[0] && letters[0] != 'z'))
        return false;
    ret->code_alignment = cfi_read_unsigned(&reader);
    ret->data_alignment = cfi_read_signed(&reader);
    if ((version == 1 ? cfi_read_fixed(&reader, 1) : cfi_read_unsigned(&reader)) !=
        arch_register_pc)
        return false;
    ret->signal_frame = false;
    *augmentation = (struct augmentation){.sized = letters[0] == 'z'};
    if (augmentation->sized)
        read_augmentation(&reader, letters + 1, augmentation, &ret->signal_frame);
    ret->first_program = reader.at;
    ret->first_program_end = reader.end;
    return reader.ok;
}

static bool parse_fde(struct view *code, uintptr_t at, struct cfi_entry *ret)
{
    struct cfi_reader reader;
    struct augmentation augmentation;
    uint32_t id;
    /* The id is the distance back to the CIE. */
    if (!begin_record(code, at, &reader, &id) || !id ||
        !parse_cie(code, reader.at - 4 - id, ret, &augmentation))
        return false;
    ret->start = read_address(&reader, augmentation.encoding);
    uint64_t length = read_encoded(&reader, augmentation.encoding);
    if (augmentation.sized)
        cfi_skip(&reader, cfi_read_unsigned(&reader));
    ret->program = reader.at;
    ret->program_end = reader.end;
    return reader.ok && length && !__builtin_add_overflow(ret->start, length, &ret->end);
}

/* The last entry of the search table that does not lie behind the address. */
static bool search(struct view *code, uintptr_t index, uintptr_t table, uint64_t count,
                   uintptr_t address, uintptr_t *ret)
{
    struct {
        int32_t start, fde; /* both relative to .eh_frame_hdr */
    } entry;
    int64_t wanted = (int64_t)(address - index);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (!view_read(code, table + middle * sizeof(entry), &entry, sizeof(entry)))
            return false;
        if (entry.start <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || !view_read(code, table + (low - 1) * sizeof(entry), &entry, sizeof(entry)))
        return false;
    *ret = index + (uintptr_t)(intptr_t)entry.fde;
    return true;
}

/* .eh_frame_hdr: a version, three encodings, the address of .eh_frame, the count, the table. */
bool cfi_find(struct view *code, const struct module *module, uintptr_t address,
              struct cfi_entry *ret)
{
    if (!module->unwind_index)
        return false;
    struct cfi_reader reader = {code, module->unwind_index, UINTPTR_MAX, true};
    uint8_t kinds[4];
    for (size_t i = 0; i < sizeof(kinds); i++)
        kinds[i] = (uint8_t)cfi_read_fixed(&reader, 1);
    if (!reader.ok || kinds[0] != 1 || kinds[3] != ENCODING_TABLE)
        return false;
    read_encoded(&reader, kinds[1]); /* of .eh_frame: the table tells all */
    uint64_t count = read_encoded(&reader, kinds[2]);
    uintptr_t fde;
    return reader.ok && count <= ENTRIES_MAX &&
           search(code, module->unwind_index, reader.at, count, address, &fde) &&
           parse_fde(code, fde, ret) && address >= ret->start && address < ret->end;
}
