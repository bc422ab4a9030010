/*
 * Where the variables and functions of the debug information are in the target, and which of its
 * functions must not be called because the compiler changed how.
 */
#ifndef SRC_CREPL_ADDRESSES_H
#define SRC_CREPL_ADDRESSES_H

#include "injector/module.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

enum address_kind {
    ADDRESS_NONE,     /* it exists nowhere: optimised out, inlined everywhere */
    ADDRESS_MEMORY,   /* at a runtime address */
    ADDRESS_TLS,      /* in thread-local storage: an offset from the start of its module's block */
    ADDRESS_CONSTANT, /* a number that the compiler put in place of the variable */
    ADDRESS_BY_NAME,  /* only the loader knows: an indirect function (STT_GNU_IFUNC) */
    ADDRESS_CHANGED,  /* a function whose copies take other arguments than the source says */
};

struct address {
    enum address_kind kind;
    struct module *module; /* whose it is; NULL: ADDRESS_NONE and _CONSTANT */
    uint64_t value;        /* address, offset or number */
    uint64_t size;         /* of symbols, bytes; 0: not known */
    const char *symbol;    /* of the changed copy, or the name to look for; owned by the module */
};

/*
 * By DW_AT_location (DWARF 5, 2.6 and 3.5; the GNU and LLVM forms of thread-local storage) or
 * DW_AT_const_value. A location of several steps counts as none.
 */
void address_of_variable(struct module *module, Dwarf_Die *die, struct address *ret);

/*
 * By DW_AT_entry_pc, _low_pc or the first of _ranges (DWARF 5, 2.17 and 2.18), judged by the symbol
 * there: "f.constprop.0", "f.isra.0", "f.part.0" and "f.cold" of gcc (gcc/cgraphclones.cc,
 * ipa-split.cc) and DW_CC_nocall are ADDRESS_CHANGED.
 */
void address_of_function(struct module *module, Dwarf_Die *die, struct address *ret);

/* By the symbol table of one module; ADDRESS_NONE when it defines no such symbol. */
void address_of_symbol(struct module *module, const char *name, bool function, struct address *ret);

#endif
