#include "injector/symbol_index.h"

#include "injector/dynamic.h"
#include "injector/module_private.h"

#include <stdlib.h>
#include <string.h>

/* A symbol table in a file: from its section, or from the dynamic segment. */
struct table {
    const struct elf_image *elf;
    const uint8_t *symbols;
    size_t count;
    const char *strings;
    size_t strings_size;     /* up to the last NUL: what begins before it ends before it */
    const uint8_t *versions; /* Elf64_Half of each symbol, or NULL */
};

/* .symtab of the module, of its debug file or of .gnu_debugdata, and .dynsym: in this order the
   first of equals wins. */
#define TABLES_MAX 2

/* Programs have millions of symbols: what the files hold of them is not held twice. */
struct entry {
    uint64_t address; /* ELF vaddr */
    uint32_t number;  /* in its table */
    uint32_t table;
};

/* How many symbols below an address are looked at: in a table that is not made to waste our time
   the one wanted is among the first. */
#define LOOKED_AT_MAX 4096

struct symbol_index {
    struct table tables[TABLES_MAX];
    size_t table_count;
    struct entry *entries; /* ascending by address, then in reverse order of preference */
    uint64_t *reach;       /* the highest end of entries[0 .. i]: bounds the search downwards */
    size_t count;
    uint64_t bias;
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

static bool table_from_dynamic(const struct module *module, const struct elf_image *elf,
                               struct table *ret)
{
    struct symbol_tables dynamic;
    dynamic_read(module, elf, &dynamic);
    size_t count = dynamic_symbol_count(elf, &dynamic);
    *ret = (struct table){.elf = elf, .count = count, .strings_size = dynamic.strings_size};
    if (!count)
        return false;
    ret->symbols = elf_image_at_vaddr(elf, dynamic.symbols, count * sizeof(Elf64_Sym));
    ret->strings = (const char *)elf_image_at_vaddr(elf, dynamic.strings, dynamic.strings_size);
    return ret->symbols && ret->strings;
}

/* Cuts the string table behind its last NUL. False: it has none. */
static bool trim_strings(struct table *table)
{
    const char *last = memrchr(table->strings, 0, table->strings_size);
    table->strings_size = last ? (size_t)(last - table->strings) + 1 : 0;
    return last;
}

static Elf64_Sym symbol_in(const struct table *table, size_t number)
{
    Elf64_Sym symbol;
    memcpy(&symbol, table->symbols + number * sizeof(symbol), sizeof(symbol));
    return symbol;
}

/* Names of code and data that are really there; as elfutils, which leaves out the same ones. */
static bool is_wanted(const struct table *table, const Elf64_Sym *symbol)
{
    switch (ELF64_ST_TYPE(symbol->st_info)) {
    case STT_SECTION:
    case STT_FILE:
    case STT_TLS:
        return false;
    default:
        return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
               symbol->st_shndx != SHN_COMMON && symbol->st_name < table->strings_size &&
               symbol->st_name && symbol->st_size <= UINT64_MAX - symbol->st_value;
    }
}

/* Adds the entries of a table; there is room for all. */
static void add_entries(struct symbol_index *index, size_t number)
{
    const struct table *table = &index->tables[number];
    for (size_t i = 1; i < table->count; i++) { /* the first is reserved */
        Elf64_Sym symbol = symbol_in(table, i);
        if (is_wanted(table, &symbol))
            index->entries[index->count++] =
                (struct entry){symbol.st_value, (uint32_t)i, (uint32_t)number};
    }
}

#define DIGIT_BITS 11
#define DIGIT_VALUES (1u << DIGIT_BITS)

static unsigned digit_of(const struct entry *entry, unsigned shift)
{
    return (unsigned)(entry->address >> shift) & (DIGIT_VALUES - 1);
}

/* One pass of the sort: by one digit of the address, in order otherwise. False: nothing to do. */
static bool sort_by_digit(const struct entry *from, size_t count, unsigned shift, struct entry *to)
{
    size_t starts[DIGIT_VALUES] = {0};
    for (size_t i = 0; i < count; i++)
        starts[digit_of(&from[i], shift)]++;
    if (starts[digit_of(&from[0], shift)] == count)
        return false;
    size_t sum = 0;
    for (size_t i = 0; i < DIGIT_VALUES; i++) {
        size_t next = sum + starts[i];
        starts[i] = sum;
        sum = next;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[digit_of(&from[i], shift)]++] = from[i];
    return true;
}

/*
 * Sorts by address, equal ones in reverse order: a radix sort, as comparing a million entries would
 * take most of the time of a whole dump.
 */
static bool sort_entries(struct symbol_index *index)
{
    struct entry *other = malloc(index->count * sizeof(*other));
    if (!other)
        return false;
    for (size_t i = 0; i < index->count; i++)
        other[i] = index->entries[index->count - 1 - i];
    struct entry *from = other, *to = index->entries;
    for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
        if (sort_by_digit(from, index->count, shift, to)) {
            struct entry *sorted = to;
            to = from;
            from = sorted;
        }
    }
    free(to);
    index->entries = from;
    return true;
}

static uint64_t end_of(const struct symbol_index *index, const struct entry *entry)
{
    return entry->address + symbol_in(&index->tables[entry->table], entry->number).st_size;
}

static bool find_reach(struct symbol_index *index)
{
    index->reach = malloc(index->count * sizeof(*index->reach));
    if (!index->reach)
        return false;
    uint64_t reach = 0;
    for (size_t i = 0; i < index->count; i++) {
        uint64_t end = end_of(index, &index->entries[i]);
        if (end > reach)
            reach = end;
        index->reach[i] = reach;
    }
    return true;
}

/* Entries of all tables, sorted. False without memory. */
static bool fill(struct symbol_index *index)
{
    size_t most = 0;
    for (size_t i = 0; i < index->table_count; i++)
        most += index->tables[i].count;
    index->entries = malloc((most + 1) * sizeof(*index->entries));
    if (!index->entries)
        return false;
    for (size_t i = 0; i < index->table_count; i++)
        add_entries(index, i);
    return !index->count || (sort_entries(index) && find_reach(index));
}

static void add_table(struct symbol_index *index, struct table *table)
{
    if (table->count <= UINT32_MAX && trim_strings(table))
        index->tables[index->table_count++] = *table;
}

/* The table with the static functions: what a stripped file lost may be kept elsewhere. */
static bool find_whole_table(struct module *module, struct table *ret)
{
    const struct module_private *priv = module->priv;
    if (table_from_section(&priv->elf, SHT_SYMTAB, ret))
        return true;
    debug_file_find(module);
    if (table_from_section(&priv->debug.elf, SHT_SYMTAB, ret))
        return true;
    mini_debug_find(module);
    return table_from_section(&priv->mini_elf, SHT_SYMTAB, ret);
}

struct symbol_index *symbol_index_create(struct module *module)
{
    struct symbol_index *index = calloc(1, sizeof(*index));
    if (!index)
        return NULL;
    index->bias = module->bias;

    const struct elf_image *elf = &module->priv->elf;
    struct table table;
    if (find_whole_table(module, &table))
        add_table(index, &table);
    if (table_from_section(elf, SHT_DYNSYM, &table) || table_from_dynamic(module, elf, &table))
        add_table(index, &table);
    if (!fill(index)) {
        symbol_index_destroy(index);
        return NULL;
    }
    return index;
}

struct symbol_index *symbol_index_of_image(const struct elf_image *elf, uint64_t bias)
{
    struct symbol_index *index = calloc(1, sizeof(*index));
    struct table table;
    if (!index)
        return NULL;
    index->bias = bias;
    if (table_from_section(elf, SHT_SYMTAB, &table))
        add_table(index, &table);
    if (fill(index))
        return index;
    symbol_index_destroy(index);
    return NULL;
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

/* An entry with what its table holds of it. */
struct candidate {
    const struct entry *entry; /* NULL: none */
    Elf64_Sym symbol;
};

static struct candidate candidate_at(const struct symbol_index *index, size_t at)
{
    const struct entry *entry = &index->entries[at];
    return (struct candidate){entry, symbol_in(&index->tables[entry->table], entry->number)};
}

/* "" also where a file that somebody writes to says something else by now. */
static const char *name_of(const struct symbol_index *index, const struct candidate *candidate)
{
    const struct table *table = &index->tables[candidate->entry->table];
    return candidate->symbol.st_name < table->strings_size
               ? table->strings + candidate->symbol.st_name
               : "";
}

static int rank_of(const struct candidate *candidate)
{
    return binding_rank(ELF64_ST_BIND(candidate->symbol.st_info));
}

static bool is_local(const struct candidate *candidate)
{
    return ELF64_ST_BIND(candidate->symbol.st_info) == STB_LOCAL;
}

static bool is_earlier(const struct entry *entry, const struct entry *other)
{
    return entry->table != other->table ? entry->table < other->table
                                        : entry->number < other->number;
}

/*
 * True when `one` names an address better than `best`; both cover it. Global ones first, as they
 * are what the source calls the function; then the closest start, the smaller one, the stronger
 * binding, and the first in the file.
 */
static bool is_better(const struct candidate *one, const struct candidate *best)
{
    if (!best->entry)
        return true;
    if (is_local(one) != is_local(best))
        return is_local(best);
    if (one->symbol.st_value != best->symbol.st_value)
        return one->symbol.st_value > best->symbol.st_value;
    int rank = rank_of(one), best_rank = rank_of(best);
    if (one->symbol.st_size != best->symbol.st_size)
        return one->symbol.st_size < best->symbol.st_size ? rank >= best_rank : rank > best_rank;
    if (rank != best_rank)
        return rank > best_rank;
    return is_earlier(one->entry, best->entry);
}

static struct candidate find_sized(const struct symbol_index *index, uint64_t address, size_t end)
{
    struct candidate best = {0};
    for (size_t i = end; i-- > 0 && index->reach[i] > address && end - i <= LOOKED_AT_MAX;) {
        struct candidate one = candidate_at(index, i);
        if (address - one.symbol.st_value < one.symbol.st_size && *name_of(index, &one) &&
            is_better(&one, &best))
            best = one;
    }
    return best;
}

/* An unsized symbol reaches to the end of its section at most. */
static bool is_in_section(const struct symbol_index *index, const struct candidate *candidate,
                          uint64_t address)
{
    const struct elf_image *elf = index->tables[candidate->entry->table].elf;
    if (candidate->symbol.st_shndx >= elf->section_count)
        return false;
    const Elf64_Shdr *section = &elf->sections[candidate->symbol.st_shndx];
    return address >= section->sh_addr && address - section->sh_addr < section->sh_size;
}

/* A label of hand-written assembly, if no sized symbol ends between it and the address. */
static struct candidate find_unsized(const struct symbol_index *index, uint64_t address, size_t end)
{
    struct candidate best = {0};
    if (!end)
        return best;
    uint64_t lowest = index->reach[end - 1];
    for (size_t i = end; i-- > 0 && end - i <= LOOKED_AT_MAX;) {
        struct candidate one = candidate_at(index, i);
        if (one.symbol.st_value < lowest ||
            (best.entry && one.symbol.st_value < best.symbol.st_value))
            break;
        if (!one.symbol.st_size && is_in_section(index, &one, address) && *name_of(index, &one) &&
            is_better(&one, &best))
            best = one;
    }
    return best;
}

static void to_symbol(const struct symbol_index *index, const struct candidate *candidate,
                      struct symbol *ret)
{
    *ret = (struct symbol){
        .name = name_of(index, candidate),
        .address = candidate->symbol.st_value + index->bias,
        .size = candidate->symbol.st_size,
        .type = ELF64_ST_TYPE(candidate->symbol.st_info),
        .is_local = is_local(candidate),
    };
}

bool symbol_index_find(const struct symbol_index *index, uint64_t address, struct symbol *ret)
{
    uint64_t vaddr = address - index->bias;
    size_t end = upper_bound(index, vaddr);
    struct candidate found = find_sized(index, vaddr, end);
    if (!found.entry)
        found = find_unsized(index, vaddr, end);
    if (found.entry)
        to_symbol(index, &found, ret);
    return found.entry;
}

/* name@VERSION, not the default name@@VERSION. */
static bool is_old_version(const struct symbol_index *index, const struct candidate *candidate)
{
    const struct table *table = &index->tables[candidate->entry->table];
    Elf64_Half version;
    if (!table->versions)
        return false;
    memcpy(&version, table->versions + candidate->entry->number * sizeof(version), sizeof(version));
    return version & VERSION_HIDDEN;
}

bool symbol_index_by_name(const struct symbol_index *index, const char *name, struct symbol *ret)
{
    struct candidate best = {0};
    bool best_old = false;
    for (size_t i = 0; i < index->count; i++) {
        struct candidate one = candidate_at(index, i);
        if (strcmp(name_of(index, &one), name))
            continue;
        bool old = is_old_version(index, &one);
        if (!best.entry || old < best_old || (old == best_old && rank_of(&one) > rank_of(&best))) {
            best = one;
            best_old = old;
        }
    }
    if (best.entry)
        to_symbol(index, &best, ret);
    return best.entry;
}

void symbol_index_each(const struct symbol_index *index,
                       bool (*visit)(const struct symbol *, void *), void *context)
{
    for (size_t i = 0; i < index->count; i++) {
        struct candidate one = candidate_at(index, i);
        struct symbol symbol;
        to_symbol(index, &one, &symbol);
        if (*symbol.name && !visit(&symbol, context))
            return;
    }
}
