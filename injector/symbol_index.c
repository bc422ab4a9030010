#include "injector/symbol_index.h"

#include "injector/module_private.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    uint64_t address; /* ELF vaddr */
    uint64_t size;
    const char *name;
    uint64_t section_start, section_end; /* of an unsized one: where it may reach */
    uint32_t order;                      /* in the files: the first of equals wins */
    uint8_t type, binding;
    bool old_version; /* name@VERSION, not the default name@@VERSION */
};

struct symbol_index {
    struct entry *entries; /* ascending by address, then in reverse order of preference */
    uint64_t *reach;       /* the highest end of entries[0 .. i]: bounds the search downwards */
    size_t count, capacity;
    uint64_t bias;
};

/* A symbol table in a file: from its section, or from the dynamic segment. */
struct table {
    const struct elf_image *elf;
    const uint8_t *symbols;
    size_t count;
    const char *strings;
    size_t strings_size;
    const uint8_t *versions; /* Elf64_Half of each symbol, or NULL */
};

/* gABI/GNU: the bit of .gnu.version entries that hides a symbol from the linker. */
#define VERSION_HIDDEN 0x8000

/* Rank of bindings, as elfutils orders them. */
static int binding_rank(uint8_t binding)
{
    switch (binding) {
    case STB_GLOBAL:
    case STB_GNU_UNIQUE:
        return 3;
    case STB_WEAK:
        return 2;
    case STB_LOCAL:
        return 1;
    default:
        return 0;
    }
}

static bool table_from_section(const struct elf_image *elf, uint32_t type, struct table *ret)
{
    const Elf64_Shdr *section = elf_image_find_section_type(elf, type);
    if (!section || section->sh_entsize != sizeof(Elf64_Sym) ||
        section->sh_link >= elf->section_count)
        return false;
    const Elf64_Shdr *strings = &elf->sections[section->sh_link];
    *ret = (struct table){
        .elf = elf,
        .symbols = elf_image_at(elf, section->sh_offset, section->sh_size),
        .count = section->sh_size / sizeof(Elf64_Sym),
        .strings = (const char *)elf_image_at(elf, strings->sh_offset, strings->sh_size),
        .strings_size = strings->sh_size,
    };
    const Elf64_Shdr *versions =
        type == SHT_DYNSYM ? elf_image_find_section_type(elf, SHT_GNU_versym) : NULL;
    if (versions && versions->sh_size / sizeof(Elf64_Half) >= ret->count)
        ret->versions = elf_image_at(elf, versions->sh_offset, versions->sh_size);
    return ret->symbols && ret->strings && strings->sh_type == SHT_STRTAB;
}

/* What the dynamic segment says (gABI "Dynamic Section"); addresses as ELF vaddr. */
struct dynamic {
    uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

/* glibc adds the bias to these entries in memory, musl and files do not. */
static uint64_t unbiased(const struct module *module, uint64_t value)
{
    return module->from_memory && value >= module->start && value < module->end
               ? value - module->bias
               : value;
}

static void read_dynamic(const struct module *module, const struct elf_image *elf,
                         struct dynamic *ret)
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
static size_t dynamic_symbol_count(const struct elf_image *elf, const struct dynamic *dynamic)
{
    uint32_t count = 0, buckets, first, bloom, last = 0, hash;
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

static bool table_from_dynamic(const struct module *module, const struct elf_image *elf,
                               struct table *ret)
{
    struct dynamic dynamic;
    read_dynamic(module, elf, &dynamic);
    size_t count = dynamic.symbols && dynamic.strings ? dynamic_symbol_count(elf, &dynamic) : 0;
    *ret = (struct table){.elf = elf, .count = count, .strings_size = dynamic.strings_size};
    if (!count)
        return false;
    ret->symbols = elf_image_at_vaddr(elf, dynamic.symbols, count * sizeof(Elf64_Sym));
    ret->strings = (const char *)elf_image_at_vaddr(elf, dynamic.strings, dynamic.strings_size);
    return ret->symbols && ret->strings;
}

static const char *name_in(const struct table *table, uint64_t at)
{
    if (at >= table->strings_size || !memchr(table->strings + at, 0, table->strings_size - at))
        return NULL;
    return table->strings + at;
}

/* Names of code and data that are really there; as elfutils, which leaves out the same ones. */
static bool is_wanted(const Elf64_Sym *symbol)
{
    switch (ELF64_ST_TYPE(symbol->st_info)) {
    case STT_SECTION:
    case STT_FILE:
    case STT_TLS:
        return false;
    default:
        return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
               symbol->st_shndx != SHN_COMMON;
    }
}

static bool add(struct symbol_index *index, const struct table *table, size_t number)
{
    Elf64_Sym symbol;
    memcpy(&symbol, table->symbols + number * sizeof(symbol), sizeof(symbol));
    const char *name;
    if (!is_wanted(&symbol) || !(name = name_in(table, symbol.st_name)) || !*name)
        return true;
    if (symbol.st_size > UINT64_MAX - symbol.st_value)
        return true;

    if (index->count == index->capacity) {
        size_t capacity = index->capacity ? index->capacity * 2 : 1024;
        struct entry *entries = realloc(index->entries, capacity * sizeof(*entries));
        if (!entries)
            return false;
        index->entries = entries;
        index->capacity = capacity;
    }
    struct entry *entry = &index->entries[index->count];
    *entry = (struct entry){
        .address = symbol.st_value,
        .size = symbol.st_size,
        .name = name,
        .order = (uint32_t)index->count,
        .type = ELF64_ST_TYPE(symbol.st_info),
        .binding = ELF64_ST_BIND(symbol.st_info),
    };
    if (symbol.st_shndx < table->elf->section_count) {
        const Elf64_Shdr *section = &table->elf->sections[symbol.st_shndx];
        entry->section_start = section->sh_addr;
        entry->section_end = section->sh_addr + section->sh_size;
    }
    if (table->versions) {
        Elf64_Half version;
        memcpy(&version, table->versions + number * sizeof(version), sizeof(version));
        entry->old_version = version & VERSION_HIDDEN;
    }
    index->count++;
    return true;
}

static bool add_table(struct symbol_index *index, const struct table *table)
{
    for (size_t i = 1; i < table->count; i++) /* the first is reserved */
        if (!add(index, table, i))
            return false;
    return true;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return a->order < b->order ? 1 : -1;
}

static bool sort(struct symbol_index *index)
{
    if (!index->count)
        return true;
    qsort(index->entries, index->count, sizeof(*index->entries), compare_entries);
    index->reach = malloc(index->count * sizeof(*index->reach));
    if (!index->reach)
        return false;
    uint64_t reach = 0;
    for (size_t i = 0; i < index->count; i++) {
        uint64_t end = index->entries[i].address + index->entries[i].size;
        if (end > reach)
            reach = end;
        index->reach[i] = reach;
    }
    return true;
}

struct symbol_index *symbol_index_create(struct module *module)
{
    struct symbol_index *index = calloc(1, sizeof(*index));
    if (!index)
        return NULL;
    index->bias = module->bias;

    const struct elf_image *elf = &module->priv->elf;
    struct table table;
    bool ok = true;
    if (table_from_section(elf, SHT_SYMTAB, &table)) {
        ok = add_table(index, &table);
    } else {
        debug_file_find(module);
        if (table_from_section(&module->priv->debug_elf, SHT_SYMTAB, &table))
            ok = add_table(index, &table);
    }
    if (ok &&
        (table_from_section(elf, SHT_DYNSYM, &table) || table_from_dynamic(module, elf, &table)))
        ok = add_table(index, &table);
    if (!ok || !sort(index)) {
        symbol_index_destroy(index);
        return NULL;
    }
    return index;
}

void symbol_index_destroy(struct symbol_index *index)
{
    if (!index)
        return;
    free(index->entries);
    free(index->reach);
    free(index);
}

/* Index after the last entry that starts at or below the address. */
static size_t upper_bound(const struct symbol_index *index, uint64_t address)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * True when `entry` names an address better than `best`; both cover it. Global ones first, as they
 * are what the source calls the function; then the closest start, the smaller one, the stronger
 * binding, and the first in the file.
 */
static bool is_better(const struct entry *entry, const struct entry *best)
{
    bool global = entry->binding != STB_LOCAL, best_global = best->binding != STB_LOCAL;
    if (global != best_global)
        return global;
    if (entry->address != best->address)
        return entry->address > best->address;
    int rank = binding_rank(entry->binding), best_rank = binding_rank(best->binding);
    if (entry->size != best->size)
        return entry->size < best->size ? rank >= best_rank : rank > best_rank;
    if (rank != best_rank)
        return rank > best_rank;
    return entry->order < best->order;
}

static const struct entry *find_sized(const struct symbol_index *index, uint64_t address,
                                      size_t end)
{
    const struct entry *best = NULL;
    for (size_t i = end; i-- > 0 && index->reach[i] > address;) {
        const struct entry *entry = &index->entries[i];
        if (address - entry->address < entry->size && (!best || is_better(entry, best)))
            best = entry;
    }
    return best;
}

/* A label of hand-written assembly, if no sized symbol ends between it and the address. */
static const struct entry *find_unsized(const struct symbol_index *index, uint64_t address,
                                        size_t end)
{
    const struct entry *best = NULL;
    if (!end)
        return NULL;
    uint64_t lowest = index->reach[end - 1];
    for (size_t i = end; i-- > 0;) {
        const struct entry *entry = &index->entries[i];
        if (entry->address < lowest || (best && entry->address < best->address))
            break;
        if (!entry->size && address >= entry->section_start && address < entry->section_end &&
            (!best || is_better(entry, best)))
            best = entry;
    }
    return best;
}

static void to_symbol(const struct symbol_index *index, const struct entry *entry,
                      struct symbol *ret)
{
    *ret = (struct symbol){
        .name = entry->name,
        .address = entry->address + index->bias,
        .size = entry->size,
        .type = entry->type,
        .is_local = entry->binding == STB_LOCAL,
    };
}

bool symbol_index_find(const struct symbol_index *index, uint64_t address, struct symbol *ret)
{
    uint64_t vaddr = address - index->bias;
    size_t end = upper_bound(index, vaddr);
    const struct entry *found = find_sized(index, vaddr, end);
    if (!found)
        found = find_unsized(index, vaddr, end);
    if (found)
        to_symbol(index, found, ret);
    return found;
}

bool symbol_index_by_name(const struct symbol_index *index, const char *name, struct symbol *ret)
{
    const struct entry *best = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct entry *entry = &index->entries[i];
        if (strcmp(entry->name, name))
            continue;
        int rank = binding_rank(entry->binding);
        if (!best || entry->old_version < best->old_version ||
            (entry->old_version == best->old_version && rank > binding_rank(best->binding)))
            best = entry;
    }
    if (best)
        to_symbol(index, best, ret);
    return best;
}

void symbol_index_each(const struct symbol_index *index,
                       bool (*visit)(const struct symbol *, void *), void *context)
{
    for (size_t i = 0; i < index->count; i++) {
        struct symbol symbol;
        to_symbol(index, &index->entries[i], &symbol);
        if (!visit(&symbol, context))
            return;
    }
}
