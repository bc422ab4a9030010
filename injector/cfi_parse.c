#include "injector/cfi_parse.h"

#include <string.h>

uint64_t cfi_read_fixed(struct cfi_reader *reader, unsigned size)
{
    if (!reader->ok || size > reader->end - reader->at) {
        reader->ok = false;
        return 0;
    }
    uint64_t value = 0; /* little-endian, as elf_image_init made sure of */
    memcpy(&value, reader->section->bytes + reader->at, size);
    reader->at += size;
    return value;
}

uint64_t cfi_read_uleb128(struct cfi_reader *reader)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)cfi_read_fixed(reader, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

int64_t cfi_read_sleb128(struct cfi_reader *reader)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)cfi_read_fixed(reader, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && byte & 0x40)
        value |= ~UINT64_C(0) << shift;
    return (int64_t)value;
}

/* Sign extension of what was read with `bits`. */
static uint64_t extend(uint64_t value, unsigned bits)
{
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return (value ^ sign) - sign;
}

uint64_t cfi_read_pointer(struct cfi_reader *reader, uint8_t encoding, uint64_t data)
{
    uint64_t here = reader->section->vaddr + reader->at, value;
    switch (encoding & PE_FORMAT_MASK) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        value = cfi_read_fixed(reader, 8);
        break;
    case PE_UDATA4:
        value = cfi_read_fixed(reader, 4);
        break;
    case PE_SDATA4:
        value = extend(cfi_read_fixed(reader, 4), 32);
        break;
    case PE_UDATA2:
        value = cfi_read_fixed(reader, 2);
        break;
    case PE_SDATA2:
        value = extend(cfi_read_fixed(reader, 2), 16);
        break;
    case PE_ULEB128:
        value = cfi_read_uleb128(reader);
        break;
    case PE_SLEB128:
        value = (uint64_t)cfi_read_sleb128(reader);
        break;
    default:
        reader->ok = false;
        return 0;
    }
    switch (encoding & PE_BASE_MASK) {
    case 0:
        break;
    case PE_PCREL:
        value += here;
        break;
    case PE_DATAREL:
        value += data;
        break;
    default:
        reader->ok = false;
    }
    if (encoding & PE_INDIRECT)
        reader->ok = false;
    return value;
}

bool cfi_parse_record(const struct cfi_section *section, size_t offset, struct cfi_record *ret)
{
    struct cfi_reader reader = {section, offset, section->size, offset <= section->size};
    uint64_t length = cfi_read_fixed(&reader, 4);
    unsigned id_size = 4;
    if (length == UINT32_MAX) { /* the 64-bit format */
        length = cfi_read_fixed(&reader, 8);
        /* In .eh_frame the id keeps its 4 bytes (binutils); libunwind reads 8 there, as in
           .debug_frame. No compiler makes such records in .eh_frame. */
        id_size = 8;
    }
    *ret = (struct cfi_record){.start = offset, .id = reader.at};
    if (!reader.ok || length > section->size - reader.at)
        return false;
    ret->end = reader.at + length;
    ret->contents = ret->end;
    if (!length)
        return true;
    reader.end = ret->end;
    uint64_t id = cfi_read_fixed(&reader, id_size);
    ret->contents = reader.at;
    if (section->is_debug_frame) {
        ret->is_cie = id == (id_size == 8 ? UINT64_MAX : UINT32_MAX);
        ret->cie = id;
    } else {
        ret->is_cie = !id;
        if (id > ret->id)
            return false;
        ret->cie = ret->id - id;
    }
    return reader.ok;
}

/* The 'z' augmentation's data: only the encoding of FDE addresses matters here. */
static void read_augmentation(struct cfi_reader *reader, const char *letters, struct cfi_cie *ret)
{
    cfi_read_uleb128(reader); /* its length */
    for (; *letters && reader->ok; letters++) {
        switch (*letters) {
        case 'R':
            ret->fde_encoding = (uint8_t)cfi_read_fixed(reader, 1);
            break;
        case 'L':
            cfi_read_fixed(reader, 1);
            break;
        case 'P': {
            uint8_t encoding = (uint8_t)cfi_read_fixed(reader, 1);
            /* Only to be skipped, so neither base nor indirection count. */
            cfi_read_pointer(reader, encoding & PE_FORMAT_MASK, 0);
            break;
        }
        case 'S':
            ret->signal_frame = true;
            break;
        case 'B':
        case 'G':
            break;
        default:
            return;
        }
    }
}

bool cfi_parse_cie(const struct cfi_section *section, const struct cfi_record *record,
                   struct cfi_cie *ret)
{
    struct cfi_reader reader = {section, record->contents, record->end, record->is_cie};
    *ret = (struct cfi_cie){.version = (uint8_t)cfi_read_fixed(&reader, 1)};
    if (!reader.ok || (ret->version != 1 && ret->version != 3 && ret->version != 4))
        return false;
    const uint8_t *zero = memchr(section->bytes + reader.at, 0, reader.end - reader.at);
    if (!zero)
        return false;
    ret->augmentation = (const char *)section->bytes + reader.at;
    reader.at = (size_t)(zero + 1 - section->bytes);
    if (ret->version == 4) {
        uint64_t address_size = cfi_read_fixed(&reader, 1);
        uint64_t segment_selector_size = cfi_read_fixed(&reader, 1);
        if (address_size != 8 || segment_selector_size != 0)
            return false;
    }
    ret->alignments = reader.at;
    cfi_read_uleb128(&reader);
    cfi_read_sleb128(&reader);
    if (ret->version == 1)
        cfi_read_fixed(&reader, 1);
    else
        cfi_read_uleb128(&reader);
    if (ret->augmentation[0] == 'z')
        read_augmentation(&reader, ret->augmentation + 1, ret);
    else if (ret->augmentation[0])
        return false;
    return reader.ok;
}

bool cfi_parse_fde(const struct cfi_section *section, const struct cfi_record *record,
                   const struct cfi_cie *cie, struct cfi_fde *ret)
{
    struct cfi_reader reader = {section, record->contents, record->end, !record->is_cie};
    ret->start = cfi_read_pointer(&reader, cie->fde_encoding, 0);
    /* The length has the format of the address, but no base. */
    uint64_t length = cfi_read_pointer(&reader, cie->fde_encoding & PE_FORMAT_MASK, 0);
    ret->instructions = reader.at;
    return reader.ok && length && !__builtin_add_overflow(ret->start, length, &ret->end);
}
