/*
 * A symbol of an object by its name, along its hash table and nothing else, wherever the tables can
 * be read from: a file or the memory of a target. Formats: DT_HASH in the gABI ("Hash Table"),
 * DT_GNU_HASH in glibc, elf/dl-lookup.c and sysdeps/generic/dl-hash.h.
 */
#ifndef INJECTOR_SYMBOL_HASH_H
#define INJECTOR_SYMBOL_HASH_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tables that a dynamic segment names; addresses as the reader takes them, 0: there is none. */
struct symbol_tables {
    uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

/* Reads all of `size` bytes, or returns false. */
typedef bool symbol_read(const void *context, uint64_t address, void *buffer, size_t size);

struct symbol_reader {
    symbol_read *read;
    const void *context;
};

/* True: this one was meant, look no further. `number`: of the symbol in its table. */
typedef bool symbol_visit(const Elf64_Sym *symbol, uint64_t number, void *context);

/* No object has more. */
#define SYMBOLS_MAX (1 << 22)

/*
 * Shows the defined symbols of that name to `visit`, several where they have versions, until it is
 * content. False: it never was. What the tables say is not believed: reading ends with them, or
 * after SYMBOLS_MAX symbols.
 */
bool symbol_hash_find(const struct symbol_tables *tables, const struct symbol_reader *reader,
                      const char *name, symbol_visit *visit, void *context);

/* How many symbols there are; 0: none, or it does not say. */
size_t symbol_hash_count(const struct symbol_tables *tables, const struct symbol_reader *reader);

#endif
