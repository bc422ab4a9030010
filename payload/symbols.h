/*
 * Names and addresses of what is loaded, from the dynamic symbol tables in memory: without the
 * loader's main lock (a thread may hang in a constructor with it), without its allocations.
 * All of it runs under the guard, on the worker (GUARD_CUT_WAITING).
 */
#ifndef PAYLOAD_SYMBOLS_H
#define PAYLOAD_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum symbol_kind { SYMBOL_FUNCTION, SYMBOL_OBJECT, SYMBOL_IFUNC, SYMBOL_TLS, SYMBOL_OTHER };

struct symbol {
    uintptr_t address; /* of an ifunc: of its resolver; of a TLS symbol: its offset */
    uintptr_t size;    /* bytes; 0: not known */
    enum symbol_kind kind;
    char name[256];   /* cut if longer */
    char module[128]; /* base name of the file */
};

/* Where an address is. */
struct place {
    bool in_module;
    uintptr_t module_base; /* its load address */
    bool has_symbol;       /* symbol.name: the symbol whose extent holds the address */
    struct symbol symbol;  /* symbol.module is set with in_module */
};

#define SYMBOLS_MAX_HITS 8

/* Definitions of `name` in load order, ours last; returns how many were written into `hits`. */
size_t symbols_by_name(const char *name, struct symbol hits[SYMBOLS_MAX_HITS]);

/* Fills in many places in one go through the modules. */
void symbols_by_address(const uintptr_t *addresses, size_t count, struct place *places);

/* "name+0x12 (module)", "module+0x1234", or "0x1234", for an address at the place or just after it
   (a return address). Returns the bytes written. */
size_t symbols_describe(const struct place *place, uintptr_t address, char *buffer, size_t size);

/* One address, under the guard; just the number when that cannot be done. */
size_t symbols_describe_address(uintptr_t address, char *buffer, size_t size);

#endif
