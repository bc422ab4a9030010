#include "payload/places.h"

#include "payload/text.h"

#include <elf.h>
#include <string.h>

#define SYMBOLS_MAX 4000000 /* of one module; a broken table must not be read for ever */
#define ENTRIES_MAX 512     /* of a dynamic section */
#define VIEW_PAGES 64

/* The dynamic symbol table of one module. */
struct table {
    struct view *view;
    uintptr_t bias, symbols, names, hash, gnu_hash;
};

/* glibc relocates d_ptr in place (except in the vDSO), musl never does. */
static uintptr_t pointer_of(uintptr_t bias, Elf64_Addr value)
{
    return value < bias ? bias + value : value;
}

static bool table_init(struct table *table, struct view *view, const struct module *module)
{
    *table = (struct table){.view = view, .bias = module->bias};
    uintptr_t at = module->dynamic;
    for (size_t i = 0; at && i < ENTRIES_MAX; i++, at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        if (!view_read(view, at, &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
            break;
        uintptr_t pointer = pointer_of(table->bias, entry.d_un.d_ptr);
        if (entry.d_tag == DT_SYMTAB)
            table->symbols = pointer;
        else if (entry.d_tag == DT_STRTAB)
            table->names = pointer;
        else if (entry.d_tag == DT_HASH)
            table->hash = pointer;
        else if (entry.d_tag == DT_GNU_HASH)
            table->gnu_hash = pointer;
    }
    return table->symbols && table->names && (table->hash || table->gnu_hash);
}

static bool read_word(const struct table *table, uintptr_t at, size_t index, uint32_t *ret)
{
    return view_read(table->view, at + index * sizeof(*ret), ret, sizeof(*ret));
}

/* DT_GNU_HASH does not say how many symbols there are: the last chain ends with the last one. */
static size_t gnu_count(const struct table *table)
{
    uint32_t header[3], last = 0, word = 0; /* buckets, first symbol, words of the filter */
    if (!view_read(table->view, table->gnu_hash, header, sizeof(header)))
        return 0;
    uintptr_t buckets = table->gnu_hash + 4 * sizeof(word) + header[2] * sizeof(Elf64_Addr);
    uintptr_t chains = buckets + header[0] * sizeof(word);
    for (uint32_t i = 0; i < header[0] && i < SYMBOLS_MAX; i++) {
        if (!read_word(table, buckets, i, &word))
            return 0;
        if (word > last)
            last = word;
    }
    if (last < header[1])
        return header[1];
    do {
        if (!read_word(table, chains, last - header[1], &word))
            return last;
        last++;
    } while (!(word & 1) && last < SYMBOLS_MAX);
    return last;
}

static size_t symbol_count(const struct table *table)
{
    uint32_t count = 0;
    if (!table->hash)
        return gnu_count(table);
    return read_word(table, table->hash, 1, &count) && count < SYMBOLS_MAX ? count : 0;
}

static void read_name(const struct table *table, uint32_t offset, char *name, size_t size)
{
    size_t length = 0;
    while (length < size - 1 &&
           view_read(table->view, table->names + offset + length, &name[length], 1) && name[length])
        length++;
    name[length] = '\0';
}

static unsigned underscores(const char *name)
{
    unsigned count = 0;
    while (name[count] == '_')
        count++;
    return count;
}

/* Of several names for one address, the plainest: malloc, not __libc_malloc. */
static void offer(const struct table *table, const Elf64_Sym *symbol, struct place *place)
{
    uintptr_t address = table->bias + symbol->st_value;
    char name[sizeof(place->symbol)];
    if (place->symbol[0] && address < place->symbol_address)
        return;
    read_name(table, symbol->st_name, name, sizeof(name));
    if (place->symbol[0] && address == place->symbol_address &&
        underscores(name) >= underscores(place->symbol))
        return;
    place->symbol[text_sanitize(place->symbol, sizeof(place->symbol) - 1, name, strlen(name),
                                NULL)] = '\0';
    place->symbol_address = address;
}

static bool has_address(const Elf64_Sym *symbol)
{
    return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
           ELF64_ST_TYPE(symbol->st_info) != STT_TLS;
}

/* Those of the addresses that are in one module: `which` are their numbers. */
static void search_module(struct view *view, const struct module *module,
                          const uintptr_t *addresses, const uint16_t *which, size_t count,
                          struct place *places)
{
    struct table table;
    if (!table_init(&table, view, module))
        return;
    size_t symbols = symbol_count(&table);
    for (size_t i = 1; i < symbols; i++) {
        Elf64_Sym symbol;
        if (!view_read(view, table.symbols + i * sizeof(symbol), &symbol, sizeof(symbol)))
            return;
        if (!has_address(&symbol))
            continue;
        for (size_t j = 0; j < count; j++) {
            uintptr_t offset = addresses[which[j]] - (table.bias + symbol.st_value);
            if (offset < symbol.st_size || (offset == 0 && symbol.st_size == 0))
                offer(&table, &symbol, &places[which[j]]);
        }
    }
}

void places_find(const struct modules *modules, struct view *view, const uintptr_t *addresses,
                 size_t count, struct place *places)
{
    const struct module *files[PLACES_MAX];
    memset(places, 0, count * sizeof(*places));
    for (size_t i = 0; i < count; i++) {
        files[i] = modules_find_file(modules, addresses[i]);
        if (!files[i])
            continue;
        places[i].module = files[i]->name;
        places[i].module_base = files[i]->bias;
    }
    for (size_t i = 0; i < count; i++) {
        const struct module *file = files[i];
        uint16_t which[PLACES_MAX];
        size_t found = 0;
        for (size_t j = i; file && j < count; j++) {
            if (files[j] != file)
                continue;
            which[found++] = (uint16_t)j;
            files[j] = NULL;
        }
        if (found)
            search_module(view, file, addresses, which, found, places);
    }
}

size_t place_describe(const struct place *place, uintptr_t address, char *buffer, size_t size)
{
    if (!place->module)
        return text_format(buffer, size, "0x%lx", address);
    if (!place->symbol[0])
        return text_format(buffer, size, "%s+0x%lx", place->module, address - place->module_base);
    if (address == place->symbol_address)
        return text_format(buffer, size, "%s (%s)", place->symbol, place->module);
    return text_format(buffer, size, "%s+0x%lx (%s)", place->symbol,
                       address - place->symbol_address, place->module);
}

size_t places_describe_address(uintptr_t address, char *buffer, size_t size)
{
    struct place place = {0};
    struct modules modules;
    struct view view;
    if (view_init(&view, VIEW_PAGES)) {
        if (modules_read(&modules) == 0)
            places_find(&modules, &view, &address, 1, &place);
        size = place_describe(&place, address, buffer, size);
        modules_deinit(&modules);
        view_deinit(&view);
        return size;
    }
    return place_describe(&place, address, buffer, size);
}
