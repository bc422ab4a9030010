#include "injector/symbol_hash.h"

#include <string.h>

static bool read_at(const struct symbol_reader *reader, uint64_t address, void *buffer, size_t size)
{
    return reader->read(reader->context, address, buffer, size);
}

static bool read_word(const struct symbol_reader *reader, uint64_t address, uint32_t *ret)
{
    return read_at(reader, address, ret, sizeof(*ret));
}

/* --- One symbol. --- */

/* What is looked for, and who wants it. */
struct search {
    const struct symbol_tables *tables;
    const struct symbol_reader *reader;
    const char *name;
    size_t size; /* of the name with its NUL */
    symbol_visit *visit;
    void *context;
};

/* Compares piece by piece: most names differ early. */
static bool name_is(const struct search *search, uint64_t address)
{
    char piece[64];
    for (size_t done = 0; done < search->size; done += sizeof(piece)) {
        size_t size = search->size - done < sizeof(piece) ? search->size - done : sizeof(piece);
        if (!read_at(search->reader, address + done, piece, size) ||
            memcmp(piece, search->name + done, size) != 0)
            return false;
    }
    return true;
}

static bool is_wanted(const struct search *search, uint64_t number)
{
    Elf64_Sym symbol;
    const struct symbol_tables *tables = search->tables;
    return read_at(search->reader, tables->symbols + number * sizeof(symbol), &symbol,
                   sizeof(symbol)) &&
           symbol.st_shndx != SHN_UNDEF && symbol.st_name < tables->strings_size &&
           search->size <= tables->strings_size - symbol.st_name &&
           name_is(search, tables->strings + symbol.st_name) &&
           search->visit(&symbol, number, search->context);
}

/* --- DT_GNU_HASH. --- */

struct gnu_table {
    uint32_t bucket_count, first_symbol, bloom_words, bloom_shift;
    uint64_t blooms, buckets, chains; /* addresses */
};

static bool read_gnu_table(const struct search *search, struct gnu_table *ret)
{
    uint32_t header[4];
    uint64_t start = search->tables->gnu_hash;
    if (!read_at(search->reader, start, header, sizeof(header)))
        return false;
    *ret = (struct gnu_table){.bucket_count = header[0],
                              .first_symbol = header[1],
                              .bloom_words = header[2],
                              .bloom_shift = header[3] % 32};
    ret->blooms = start + sizeof(header);
    ret->buckets = ret->blooms + (uint64_t)ret->bloom_words * 8;
    ret->chains = ret->buckets + (uint64_t)ret->bucket_count * 4;
    return ret->bucket_count;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (uint8_t)*c;
    return hash;
}

/* False: no symbol of the object has this hash. */
static bool may_contain(const struct search *search, const struct gnu_table *table, uint32_t hash)
{
    uint64_t word;
    if (!table->bloom_words ||
        !read_at(search->reader, table->blooms + (uint64_t)(hash / 64 % table->bloom_words) * 8,
                 &word, sizeof(word)))
        return true;
    return word >> hash % 64 & word >> (hash >> table->bloom_shift) % 64 & 1;
}

static bool find_by_gnu_hash(const struct search *search)
{
    struct gnu_table table;
    uint32_t number, chained, hash = gnu_hash(search->name);
    if (!read_gnu_table(search, &table) || !may_contain(search, &table, hash) ||
        !read_word(search->reader, table.buckets + (uint64_t)(hash % table.bucket_count) * 4,
                   &number) ||
        number < table.first_symbol)
        return false;
    do {
        if (number > SYMBOLS_MAX ||
            !read_word(search->reader, table.chains + (uint64_t)(number - table.first_symbol) * 4,
                       &chained))
            return false;
        if ((chained | 1) == (hash | 1) && is_wanted(search, number))
            return true;
        number++;
    } while (!(chained & 1));
    return false;
}

/* --- DT_HASH. --- */

/* gABI, "Hash Table": nbucket, nchain, the buckets, the chains. */
static uint32_t sysv_hash(const char *name)
{
    uint32_t hash = 0;
    for (const char *c = name; *c; c++) {
        hash = (hash << 4) + (uint8_t)*c;
        uint32_t high = hash & 0xf0000000;
        hash = (hash ^ high >> 24) & ~high;
    }
    return hash;
}

static bool find_by_hash(const struct search *search)
{
    uint32_t counts[2], number;
    uint64_t start = search->tables->hash, buckets = start + sizeof(counts);
    if (!read_at(search->reader, start, counts, sizeof(counts)) || !counts[0] ||
        !read_word(search->reader, buckets + (uint64_t)(sysv_hash(search->name) % counts[0]) * 4,
                   &number))
        return false;
    uint64_t chains = buckets + (uint64_t)counts[0] * 4;
    /* A symbol met before, set anew at each power of 2: chains may be circular. */
    uint32_t mark = 0;
    for (uint32_t steps = 0; number && number != mark && number < counts[1] && steps < SYMBOLS_MAX;
         steps++) {
        if (!(steps & (steps - 1)))
            mark = number;
        if (is_wanted(search, number))
            return true;
        if (!read_word(search->reader, chains + (uint64_t)number * 4, &number))
            return false;
    }
    return false;
}

bool symbol_hash_find(const struct symbol_tables *tables, const struct symbol_reader *reader,
                      const char *name, symbol_visit *visit, void *context)
{
    const struct search search = {tables, reader, name, strlen(name) + 1, visit, context};
    if (!tables->symbols || !tables->strings)
        return false;
    if (tables->gnu_hash)
        return find_by_gnu_hash(&search);
    return tables->hash && find_by_hash(&search);
}

/* --- How many. --- */

/* DT_GNU_HASH covers them up to the end of the chain of its last bucket. */
static size_t count_by_gnu_hash(const struct search *search)
{
    struct gnu_table table;
    uint32_t last = 0, chained;
    if (!read_gnu_table(search, &table) || table.bucket_count > SYMBOLS_MAX)
        return 0;
    for (uint32_t i = 0; i < table.bucket_count; i++) {
        uint32_t bucket;
        if (!read_word(search->reader, table.buckets + (uint64_t)i * 4, &bucket))
            return 0;
        if (bucket > last)
            last = bucket;
    }
    if (last < table.first_symbol)
        return table.first_symbol;
    do {
        if (last > SYMBOLS_MAX ||
            !read_word(search->reader, table.chains + (uint64_t)(last - table.first_symbol) * 4,
                       &chained))
            return 0;
        last++;
    } while (!(chained & 1));
    return last;
}

size_t symbol_hash_count(const struct symbol_tables *tables, const struct symbol_reader *reader)
{
    uint32_t count;
    const struct search search = {.tables = tables, .reader = reader};
    if (!tables->symbols || !tables->strings)
        return 0;
    if (tables->hash && read_word(reader, tables->hash + 4, &count))
        return count;
    return tables->gnu_hash ? count_by_gnu_hash(&search) : 0;
}
