/*
 * Addresses of names, from the dynamic symbol tables in memory, in the loader's order: without its
 * main lock (a thread may hang in a constructor with it), without its allocations. It runs under
 * the guard, on the worker (GUARD_CUT_WAITING). Names of addresses: places.h.
 */
#ifndef PAYLOAD_SYMBOLS_H
#define PAYLOAD_SYMBOLS_H

#include "payload/modules.h"

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

#define SYMBOLS_MAX_HITS 8

/* Definitions of `name` in load order, ours last; returns how many were written into `hits`. */
size_t symbols_by_name(const char *name, struct symbol hits[SYMBOLS_MAX_HITS]);

/*
 * The definition of `name`, a function or an object, in one module; 0: it has none. It asks the
 * loader for nothing, whose lock may be held for ever; but a module may go away meanwhile: under
 * the guard.
 */
uintptr_t symbols_in_module(const struct module *module, const char *name);

#endif
