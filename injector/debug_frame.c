#include "injector/debug_frame.h"

#include "injector/cfi_parse.h"

#include <elf.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

/* Offsets in rewritten tables fit the 32-bit fields of .eh_frame, and the room cfi.h gives them. */
#define REWRITTEN_MAX (UINT64_C(1) << 31)

bool cfi_table_add(struct cfi_table *table, uint64_t start, uint64_t end, size_t record)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 256;
        struct cfi_table_entry *entries = realloc(table->entries, capacity * sizeof(*entries));
        if (!entries)
            return false;
        table->entries = entries;
        table->capacity = capacity;
    }
    table->entries[table->count++] = (struct cfi_table_entry){start, end, record};
    return true;
}

static int compare_entries(const void *left, const void *right)
{
    const struct cfi_table_entry *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

void cfi_table_sort(struct cfi_table *table)
{
    if (table->count)
        qsort(table->entries, table->count, sizeof(*table->entries), compare_entries);
}

const struct cfi_table_entry *cfi_table_find(const struct cfi_table *table, uint64_t vaddr,
                                             size_t *ret)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].start <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || vaddr >= table->entries[low - 1].end)
        return NULL;
    *ret = table->entries[low - 1].record;
    return &table->entries[low - 1];
}

void cfi_table_deinit(struct cfi_table *table)
{
    free(table->entries);
    *table = (struct cfi_table){0};
}

static bool append(struct debug_frame *frame, const void *bytes, size_t size)
{
    if (size > REWRITTEN_MAX - frame->size)
        return false;
    if (frame->size + size > frame->capacity) {
        size_t capacity = frame->capacity ? frame->capacity : 4096;
        while (capacity < frame->size + size)
            capacity *= 2;
        uint8_t *grown = realloc(frame->bytes, capacity);
        if (!grown)
            return false;
        frame->bytes = grown;
        frame->capacity = capacity;
    }
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
    return true;
}

static bool append_word(struct debug_frame *frame, uint32_t word)
{
    return append(frame, &word, sizeof(word));
}

/* A record begins with a length, which is known when it ends. */
static void set_length(struct debug_frame *frame, size_t record)
{
    uint32_t length = (uint32_t)(frame->size - record - sizeof(length));
    memcpy(frame->bytes + record, &length, sizeof(length));
}

/* A CIE without augmentation: addresses in its FDEs are absolute, 8 bytes. */
static bool rewrite_cie(struct debug_frame *frame, const struct cfi_section *section,
                        const struct cfi_record *record, const struct cfi_cie *cie)
{
    /* Version 4 is version 3 with two more fields, which cfi_parse_cie has looked at. */
    const uint8_t version_and_augmentation[2] = {cie->version == 1 ? 1 : 3, 0};
    size_t start = frame->size;
    static const uint8_t length_and_id[8]; /* zero: a CIE, whose length is set when it is known */
    if (!append(frame, length_and_id, sizeof(length_and_id)) ||
        !append(frame, version_and_augmentation, sizeof(version_and_augmentation)) ||
        !append(frame, section->bytes + cie->alignments, record->end - cie->alignments))
        return false;
    set_length(frame, start);
    return true;
}

static bool rewrite_fde(struct debug_frame *frame, const struct cfi_section *section,
                        const struct cfi_record *record, const struct cfi_fde *fde, size_t cie,
                        uint64_t bias)
{
    const uint64_t addresses[2] = {fde->start + bias, fde->end - fde->start};
    size_t start = frame->size;
    if (!append_word(frame, 0) || !append_word(frame, (uint32_t)(start + 4 - cie)) ||
        !append(frame, addresses, sizeof(addresses)) ||
        !append(frame, section->bytes + fde->instructions, record->end - fde->instructions))
        return false;
    set_length(frame, start);
    return cfi_table_add(&frame->table, fde->start, fde->end, start);
}

static void rewrite(const struct cfi_section *section, uint64_t bias, struct debug_frame *frame)
{
    struct cfi_record record, cie_record = {0};
    struct cfi_cie cie = {0};
    size_t rewritten_cie = 0, known_cie = SIZE_MAX;
    for (size_t at = 0; cfi_parse_record(section, at, &record); at = record.end) {
        struct cfi_fde fde;
        if (record.contents == record.end || record.is_cie)
            continue;
        if (record.cie != known_cie) { /* FDEs follow their CIE: the last one is the one wanted */
            if (!cfi_parse_record(section, record.cie, &cie_record) ||
                !cfi_parse_cie(section, &cie_record, &cie) || cie.augmentation[0])
                continue;
            known_cie = record.cie;
            rewritten_cie = frame->size;
            if (!rewrite_cie(frame, section, &cie_record, &cie))
                return;
        }
        /* Address 0 is code that the linker dropped. */
        if (cfi_parse_fde(section, &record, &cie, &fde) && fde.start &&
            !rewrite_fde(frame, section, &record, &fde, rewritten_cie, bias))
            return;
    }
}

/* The section's data, decompressed (gABI SHF_COMPRESSED, or the older .zdebug_*). */
static Elf_Data *read_section(Elf *elf)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) < 0)
        return NULL;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        const char *name;
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
            !(name = elf_strptr(elf, names, header.sh_name)))
            continue;
        bool gnu = !strcmp(name, ".zdebug_frame");
        if (!gnu && strcmp(name, ".debug_frame"))
            continue;
        if (gnu ? elf_compress_gnu(section, 0, 0) < 0
                : header.sh_flags & SHF_COMPRESSED && elf_compress(section, 0, 0) < 0)
            return NULL;
        return elf_getdata(section, NULL);
    }
    return NULL;
}

void debug_frame_load(int fd, uint64_t bias, struct debug_frame *ret)
{
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (!elf)
        return;
    Elf_Data *data = elf_kind(elf) == ELF_K_ELF ? read_section(elf) : NULL;
    if (data && data->d_buf && data->d_size) {
        const struct cfi_section section = {data->d_buf, data->d_size, 0, true};
        rewrite(&section, bias, ret);
        cfi_table_sort(&ret->table);
    }
    elf_end(elf);
}

void debug_frame_deinit(struct debug_frame *frame)
{
    free(frame->bytes);
    cfi_table_deinit(&frame->table);
    *frame = (struct debug_frame){0};
}
