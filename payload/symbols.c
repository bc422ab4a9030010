#include "payload/symbols.h"

#include "payload/guard.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#define HIDDEN_VERSION 0x8000 /* of a DT_VERSYM entry: not the default one */

/* The dynamic symbol table of one module, where it is mapped. */
struct table {
    uintptr_t base;
    const Elf64_Sym *symbols;
    const char *names;
    const uint16_t *versions;
    const uint32_t *hash, *gnu_hash;
};

/* glibc relocates d_ptr in place (except in the vDSO), musl never does. */
static const void *pointer_of(uintptr_t base, Elf64_Addr value)
{
    return (const void *)(value < base ? base + value : value);
}

static bool table_init_at(struct table *table, uintptr_t base, const Elf64_Dyn *entry)
{
    *table = (struct table){.base = base};
    if (!entry)
        return false;
    for (; entry->d_tag != DT_NULL; entry++) {
        const void *pointer = pointer_of(table->base, entry->d_un.d_ptr);
        if (entry->d_tag == DT_SYMTAB)
            table->symbols = pointer;
        else if (entry->d_tag == DT_STRTAB)
            table->names = pointer;
        else if (entry->d_tag == DT_VERSYM)
            table->versions = pointer;
        else if (entry->d_tag == DT_HASH)
            table->hash = pointer;
        else if (entry->d_tag == DT_GNU_HASH)
            table->gnu_hash = pointer;
    }
    return table->symbols && table->names && (table->hash || table->gnu_hash);
}

static bool table_init(struct table *table, const struct dl_phdr_info *info)
{
    const Elf64_Dyn *dynamic = NULL;
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return table_init_at(table, info->dlpi_addr, dynamic);
}

static enum symbol_kind kind_of(const Elf64_Sym *symbol)
{
    switch (ELF64_ST_TYPE(symbol->st_info)) {
    case STT_FUNC:
        return SYMBOL_FUNCTION;
    case STT_OBJECT:
    case STT_COMMON:
        return SYMBOL_OBJECT;
    case STT_GNU_IFUNC:
        return SYMBOL_IFUNC;
    case STT_TLS:
        return SYMBOL_TLS;
    default:
        return SYMBOL_OTHER;
    }
}

static void copy_symbol(const struct table *table, const Elf64_Sym *from, struct symbol *to)
{
    to->kind = kind_of(from);
    to->address =
        from->st_value + (to->kind == SYMBOL_TLS || from->st_shndx == SHN_ABS ? 0 : table->base);
    to->size = from->st_size;
    text_copy(to->name, sizeof(to->name), table->names + from->st_name);
}

static void module_name(const struct dl_phdr_info *info, char *to, size_t size)
{
    const char *name = info->dlpi_name ? info->dlpi_name : "";
    char path[512];
    if (!*name) { /* the program itself */
        long length = sys_readlink("/proc/self/exe", path, sizeof(path) - 1);
        path[length > 0 ? length : 0] = '\0';
        name = length > 0 ? path : "program";
    }
    char base[128];
    text_copy(base, sizeof(base), text_base_name(name));
    to[text_sanitize(to, size - 1, base, strlen(base), NULL)] = '\0';
}

/* --- By name. --- */

struct name_search {
    const char *name;
    uint32_t gnu_hash, hash;
    struct symbol *hits;
    size_t count;
    struct symbol own; /* ours comes last: nobody means it when there is another */
    bool found_own;
};

/* The two hash functions: ELF gABI chapter 5, and DT_GNU_HASH's (djb2). */
static void hash_name(struct name_search *search)
{
    search->gnu_hash = 5381;
    for (const unsigned char *c = (const unsigned char *)search->name; *c; c++) {
        search->gnu_hash = search->gnu_hash * 33 + *c;
        search->hash = (search->hash << 4) + *c;
        uint32_t high = search->hash & 0xf0000000;
        search->hash = (search->hash ^ high >> 24) & ~high;
    }
}

static bool is_definition(const struct table *table, uint32_t index, const char *name)
{
    const Elf64_Sym *symbol = &table->symbols[index];
    if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) == STB_LOCAL)
        return false;
    if (table->versions && table->versions[index] & HIDDEN_VERSION)
        return false;
    return text_equal(table->names + symbol->st_name, name);
}

static const Elf64_Sym *look_up_gnu(const struct table *table, const struct name_search *search)
{
    uint32_t bucket_count = table->gnu_hash[0], first = table->gnu_hash[1];
    const uint32_t *buckets =
        table->gnu_hash + 4 + table->gnu_hash[2] * (sizeof(Elf64_Addr) / sizeof(uint32_t));
    const uint32_t *chains = buckets + bucket_count;
    uint32_t index = bucket_count ? buckets[search->gnu_hash % bucket_count] : 0;
    if (index < first)
        return NULL;
    for (;; index++) {
        uint32_t hash = chains[index - first];
        if ((hash | 1) == (search->gnu_hash | 1) && is_definition(table, index, search->name))
            return &table->symbols[index];
        if (hash & 1)
            return NULL;
    }
}

static const Elf64_Sym *look_up(const struct table *table, const struct name_search *search)
{
    if (table->gnu_hash)
        return look_up_gnu(table, search);
    uint32_t bucket_count = table->hash[0];
    const uint32_t *chains = table->hash + 2 + bucket_count;
    uint32_t index = bucket_count ? table->hash[2 + search->hash % bucket_count] : 0;
    for (; index; index = chains[index])
        if (is_definition(table, index, search->name))
            return &table->symbols[index];
    return NULL;
}

static bool contains(const struct dl_phdr_info *info, uintptr_t address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD &&
            address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

static int search_name(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct name_search *search = argument;
    struct table table;
    if (!table_init(&table, info))
        return 0;
    const Elf64_Sym *found = look_up(&table, search);
    if (!found)
        return 0;
    bool is_own = contains(info, (uintptr_t)search_name);
    search->found_own |= is_own;
    struct symbol *hit = is_own ? &search->own : &search->hits[search->count++];
    copy_symbol(&table, found, hit);
    module_name(info, hit->module, sizeof(hit->module));
    return search->count == SYMBOLS_MAX_HITS;
}

size_t symbols_by_name(const char *name, struct symbol hits[SYMBOLS_MAX_HITS])
{
    struct name_search search = {.name = name, .hits = hits};
    hash_name(&search);
    dl_iterate_phdr(search_name, &search);
    if (search.found_own && search.count < SYMBOLS_MAX_HITS)
        hits[search.count++] = search.own;
    return search.count;
}

uintptr_t symbols_in_module(const struct module *module, const char *name)
{
    struct name_search search = {.name = name};
    struct table table;
    if (!module->dynamic || !table_init_at(&table, module->bias, (const void *)module->dynamic))
        return 0;
    hash_name(&search);
    const Elf64_Sym *found = look_up(&table, &search);
    return found ? table.base + found->st_value : 0;
}
