#include "injector/cfi.h"

#include "injector/cfi_parse.h"
#include "injector/debug_frame.h"
#include "injector/module_private.h"

#include <stdlib.h>
#include <string.h>

/* The search table of .eh_frame_hdr in the only encoding that linkers make: datarel | sdata4. */
#define HEADER_TABLE_ENCODING (PE_DATAREL | PE_SDATA4)

struct header_entry {
    int32_t start; /* both relative to .eh_frame_hdr */
    int32_t fde;
};

struct cfi {
    bool eh_sought;
    struct cfi_section eh;       /* the loadable segment that holds .eh_frame; size 0: none */
    const uint8_t *header_table; /* of struct header_entry, as the file has it; or NULL: ... */
    size_t header_count;
    uint64_t header_vaddr;
    struct cfi_table eh_table; /* ... made here */

    bool debug_sought;
    struct debug_frame debug;
};

static struct cfi *get(struct module *module)
{
    if (!module->priv->cfi)
        module->priv->cfi = calloc(1, sizeof(struct cfi));
    return module->priv->cfi;
}

void cfi_destroy(struct cfi *cfi)
{
    if (!cfi)
        return;
    cfi_table_deinit(&cfi->eh_table);
    debug_frame_deinit(&cfi->debug);
    free(cfi);
}

/* The bytes of the whole segment around an address: records in it may refer to each other. */
static bool section_around(const struct elf_image *elf, uint64_t vaddr, struct cfi_section *ret)
{
    const Elf64_Phdr *segment = elf_image_segment_at(elf, vaddr);
    const uint8_t *bytes = segment ? elf_image_at(elf, segment->p_offset, segment->p_filesz) : NULL;
    if (!bytes)
        return false;
    *ret =
        (struct cfi_section){.bytes = bytes, .size = segment->p_filesz, .vaddr = segment->p_vaddr};
    return true;
}

/* .eh_frame_hdr (LSB Core): version, three encodings, address of .eh_frame, count, table. */
static bool read_header(struct cfi *cfi, const struct elf_image *elf, uint64_t *eh_frame)
{
    const Elf64_Phdr *segment = elf_image_find_segment(elf, PT_GNU_EH_FRAME);
    struct cfi_section section;
    if (!segment || !section_around(elf, segment->p_vaddr, &section))
        return false;
    struct cfi_reader reader = {&section, segment->p_vaddr - section.vaddr, section.size, true};
    uint8_t version = (uint8_t)cfi_read_fixed(&reader, 1);
    uint8_t frame_encoding = (uint8_t)cfi_read_fixed(&reader, 1);
    uint8_t count_encoding = (uint8_t)cfi_read_fixed(&reader, 1);
    uint8_t table_encoding = (uint8_t)cfi_read_fixed(&reader, 1);
    if (!reader.ok || version != 1 || frame_encoding == PE_OMIT)
        return false;
    *eh_frame = cfi_read_pointer(&reader, frame_encoding, segment->p_vaddr);
    if (!reader.ok)
        return false;
    if (count_encoding == PE_OMIT || table_encoding != HEADER_TABLE_ENCODING)
        return true;
    uint64_t count = cfi_read_pointer(&reader, count_encoding, segment->p_vaddr);
    if (reader.ok && count && count <= (reader.end - reader.at) / sizeof(struct header_entry)) {
        cfi->header_table = section.bytes + reader.at;
        cfi->header_count = count;
        cfi->header_vaddr = segment->p_vaddr;
    }
    return true;
}

void cfi_table_scan(const struct cfi_section *section, size_t from, size_t end,
                    struct cfi_table *table)
{
    struct cfi_record record;
    for (size_t at = from; at < end && cfi_parse_record(section, at, &record); at = record.end) {
        struct cfi_record cie_record;
        struct cfi_cie cie;
        struct cfi_fde fde;
        if (record.contents == record.end || record.is_cie)
            continue; /* a terminator may stand between what two files brought */
        if (cfi_parse_record(section, record.cie, &cie_record) &&
            cfi_parse_cie(section, &cie_record, &cie) &&
            cfi_parse_fde(section, &record, &cie, &fde) &&
            !cfi_table_add(table, fde.start, fde.end, record.start))
            break;
    }
    cfi_table_sort(table);
}

static void find_eh_frame(struct module *module, struct cfi *cfi)
{
    const struct elf_image *elf = &module->priv->elf;
    const Elf64_Shdr *section = elf_image_find_section(elf, ".eh_frame");
    uint64_t eh_frame;
    cfi->eh_sought = true;
    if (!read_header(cfi, elf, &eh_frame)) {
        if (!section)
            return;
        eh_frame = section->sh_addr;
    }
    if (!section_around(elf, eh_frame, &cfi->eh))
        return;
    if (cfi->header_table)
        return;
    size_t start = eh_frame - cfi->eh.vaddr, end = cfi->eh.size;
    if (section && section->sh_addr == eh_frame && section->sh_size <= end - start)
        end = start + section->sh_size;
    cfi_table_scan(&cfi->eh, start, end, &cfi->eh_table);
}

/* The offset in cfi->eh of the record which the header's table names for an address. */
static bool search_header(const struct cfi *cfi, uint64_t vaddr, size_t *ret)
{
    int64_t wanted = (int64_t)(vaddr - cfi->header_vaddr);
    size_t low = 0, high = cfi->header_count;
    struct header_entry entry;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        memcpy(&entry, cfi->header_table + middle * sizeof(entry), sizeof(entry));
        if (entry.start <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    memcpy(&entry, cfi->header_table + (low - 1) * sizeof(entry), sizeof(entry));
    uint64_t fde = cfi->header_vaddr + (uint64_t)(int64_t)entry.fde;
    *ret = fde - cfi->eh.vaddr;
    return fde >= cfi->eh.vaddr && *ret < cfi->eh.size;
}

static bool find_in_eh_frame(const struct module *module, const struct cfi *cfi, uint64_t vaddr,
                             struct cfi_entry *ret)
{
    struct cfi_record record, cie_record;
    struct cfi_cie cie;
    struct cfi_fde fde;
    size_t at;
    if (!cfi->eh.size || !(cfi->header_table ? search_header(cfi, vaddr, &at)
                                             : cfi_table_find(&cfi->eh_table, vaddr, &at) != NULL))
        return false;
    if (!cfi_parse_record(&cfi->eh, at, &record) || record.is_cie ||
        !cfi_parse_record(&cfi->eh, record.cie, &cie_record) ||
        !cfi_parse_cie(&cfi->eh, &cie_record, &cie) ||
        !cfi_parse_fde(&cfi->eh, &record, &cie, &fde) || vaddr < fde.start || vaddr >= fde.end)
        return false;
    uint64_t base = cfi->eh.vaddr + module->bias;
    *ret = (struct cfi_entry){
        .address = base + at,
        .region = {base, base + cfi->eh.size, cfi->eh.bytes},
        .start = fde.start + module->bias,
        .end = fde.end + module->bias,
        .signal_frame = cie.signal_frame,
    };
    return true;
}

static uint64_t synthetic_address(const struct module *module)
{
    return CFI_SYNTHETIC_BASE + ((uint64_t)module->priv->number << CFI_SYNTHETIC_SHIFT);
}

static void load_debug_frame(struct module *module, struct cfi *cfi)
{
    const char *path;
    cfi->debug_sought = true;
    if (module->fd >= 0)
        debug_frame_load(module->fd, module->bias, &cfi->debug);
    if (cfi->debug.table.count)
        return;
    int fd = module_debug_file(module, &path);
    if (fd >= 0 && fd != module->fd)
        debug_frame_load(fd, module->bias, &cfi->debug);
}

static bool find_in_debug_frame(const struct module *module, const struct cfi *cfi, uint64_t vaddr,
                                struct cfi_entry *ret)
{
    size_t at;
    const struct cfi_table_entry *entry = cfi_table_find(&cfi->debug.table, vaddr, &at);
    if (!entry)
        return false;
    uint64_t base = synthetic_address(module);
    *ret = (struct cfi_entry){
        .address = base + at,
        .region = {base, base + cfi->debug.size, cfi->debug.bytes},
        .start = entry->start + module->bias,
        .end = entry->end + module->bias,
    };
    return true;
}

bool cfi_find(struct module *module, uint64_t pc, bool may_load, struct cfi_entry *ret)
{
    if (may_load)
        module_open(module);
    if (!module->priv->opened || !module->image)
        return false;
    struct cfi *cfi = get(module);
    if (!cfi)
        return false;
    uint64_t vaddr = pc - module->bias;
    if (!cfi->eh_sought)
        find_eh_frame(module, cfi);
    if (find_in_eh_frame(module, cfi, vaddr, ret))
        return true;
    if (!cfi->debug_sought && may_load)
        load_debug_frame(module, cfi);
    return find_in_debug_frame(module, cfi, vaddr, ret);
}

void cfi_prepare(struct module *module)
{
    module_open(module);
    struct cfi *cfi = module->image ? get(module) : NULL;
    if (!cfi)
        return;
    if (!cfi->eh_sought)
        find_eh_frame(module, cfi);
    if (!cfi->debug_sought)
        load_debug_frame(module, cfi);
}

bool cfi_synthetic_region(const struct module *module, struct cfi_region *ret)
{
    const struct cfi *cfi = module->priv->cfi;
    if (!cfi || !cfi->debug.size)
        return false;
    uint64_t base = synthetic_address(module);
    *ret = (struct cfi_region){base, base + cfi->debug.size, cfi->debug.bytes};
    return true;
}
