#include "injector/dynamic.h"

#include "injector/module_private.h"

#include <string.h>

/* glibc adds the bias to these entries in memory, musl and files do not. */
static uint64_t unbiased(const struct module *module, uint64_t value)
{
    return module->from_memory && value >= module->start && value < module->end
               ? value - module->bias
               : value;
}

void dynamic_read(const struct module *module, const struct elf_image *elf, struct dynamic *ret)
{
    *ret = (struct dynamic){0};
    const Elf64_Phdr *segment = elf_image_find_segment(elf, PT_DYNAMIC);
    if (!segment)
        return;
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment->p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        const uint8_t *from = elf_image_at_vaddr(elf, segment->p_vaddr + at, sizeof(entry));
        if (!from)
            return;
        memcpy(&entry, from, sizeof(entry));
        uint64_t value = unbiased(module, entry.d_un.d_ptr);
        switch (entry.d_tag) {
        case DT_NULL:
            return;
        case DT_SYMTAB:
            ret->symbols = value;
            break;
        case DT_STRTAB:
            ret->strings = value;
            break;
        case DT_STRSZ:
            ret->strings_size = entry.d_un.d_val;
            break;
        case DT_HASH:
            ret->hash = value;
            break;
        case DT_GNU_HASH:
            ret->gnu_hash = value;
            break;
        default:
            break;
        }
    }
}

static bool read_word(const struct elf_image *elf, uint64_t vaddr, uint32_t *ret)
{
    const uint8_t *from = elf_image_at_vaddr(elf, vaddr, sizeof(*ret));
    if (from)
        memcpy(ret, from, sizeof(*ret));
    return from;
}

/*
 * The dynamic segment does not say how many symbols there are; the hash tables do: DT_HASH in its
 * second word (gABI), DT_GNU_HASH at the end of the chain of its last bucket (glibc dl-lookup.c).
 */
size_t dynamic_symbol_count(const struct elf_image *elf, const struct dynamic *dynamic)
{
    uint32_t count = 0, buckets, first, bloom, last = 0, hash;
    if (!dynamic->symbols || !dynamic->strings)
        return 0;
    if (dynamic->hash && read_word(elf, dynamic->hash + 4, &count))
        return count;
    if (!dynamic->gnu_hash || !read_word(elf, dynamic->gnu_hash, &buckets) ||
        !read_word(elf, dynamic->gnu_hash + 4, &first) ||
        !read_word(elf, dynamic->gnu_hash + 8, &bloom))
        return 0;
    uint64_t at = dynamic->gnu_hash + 16 + (uint64_t)bloom * 8;
    uint64_t chains = at + (uint64_t)buckets * 4;
    for (uint32_t i = 0; i < buckets; i++) {
        uint32_t bucket;
        if (!read_word(elf, at + (uint64_t)i * 4, &bucket))
            return 0;
        if (bucket > last)
            last = bucket;
    }
    if (last < first)
        return first;
    do {
        if (!read_word(elf, chains + (uint64_t)(last - first) * 4, &hash))
            return 0;
        last++;
    } while (!(hash & 1));
    return last;
}

/* The hash of DT_GNU_HASH (glibc, sysdeps/generic/dl-hash.h). */
static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (uint8_t)*c;
    return hash;
}

static bool read_symbol(const struct elf_image *elf, const struct dynamic *dynamic, uint64_t number,
                        Elf64_Sym *ret)
{
    const uint8_t *from =
        elf_image_at_vaddr(elf, dynamic->symbols + number * sizeof(*ret), sizeof(*ret));
    if (from)
        memcpy(ret, from, sizeof(*ret));
    return from;
}

static bool symbol_is(const struct elf_image *elf, const struct dynamic *dynamic, uint64_t number,
                      const char *name, Elf64_Sym *ret)
{
    size_t size = strlen(name) + 1;
    if (!read_symbol(elf, dynamic, number, ret))
        return false;
    if (ret->st_shndx == SHN_UNDEF || ret->st_name >= dynamic->strings_size ||
        size > dynamic->strings_size - ret->st_name)
        return false;
    const uint8_t *text = elf_image_at_vaddr(elf, dynamic->strings + ret->st_name, size);
    return text && !memcmp(text, name, size);
}

/* Along the chain of the one bucket that the name may be in. */
static bool find_by_gnu_hash(const struct elf_image *elf, const struct dynamic *dynamic,
                             const char *name, Elf64_Sym *ret)
{
    uint32_t buckets, first, bloom, number, chained, hash = gnu_hash(name);
    if (!read_word(elf, dynamic->gnu_hash, &buckets) || !buckets ||
        !read_word(elf, dynamic->gnu_hash + 4, &first) ||
        !read_word(elf, dynamic->gnu_hash + 8, &bloom))
        return false;
    uint64_t table = dynamic->gnu_hash + 16 + (uint64_t)bloom * 8;
    uint64_t chains = table + (uint64_t)buckets * 4;
    if (!read_word(elf, table + (uint64_t)(hash % buckets) * 4, &number) || number < first)
        return false;
    do {
        if (!read_word(elf, chains + (uint64_t)(number - first) * 4, &chained))
            return false;
        if ((chained | 1) == (hash | 1) && symbol_is(elf, dynamic, number, name, ret))
            return true;
        number++;
    } while (!(chained & 1));
    return false;
}

static bool find_one_by_one(const struct elf_image *elf, const struct dynamic *dynamic,
                            const char *name, Elf64_Sym *ret)
{
    size_t count = dynamic_symbol_count(elf, dynamic);
    /* The first is reserved; a count that is none ends with the file. */
    for (size_t i = 1; i < count && read_symbol(elf, dynamic, i, ret); i++) {
        if (symbol_is(elf, dynamic, i, name, ret))
            return true;
    }
    return false;
}

uint64_t module_export(struct module *module, const char *name, uint64_t *size)
{
    struct dynamic dynamic;
    Elf64_Sym symbol;
    module_open(module);
    const struct elf_image *elf = &module->priv->elf;
    if (!module->image)
        return 0;
    dynamic_read(module, elf, &dynamic);
    if (!dynamic.symbols || !dynamic.strings ||
        !(dynamic.gnu_hash ? find_by_gnu_hash(elf, &dynamic, name, &symbol)
                           : find_one_by_one(elf, &dynamic, name, &symbol)))
        return 0;
    if (size)
        *size = symbol.st_size;
    return symbol.st_value + module->bias;
}
