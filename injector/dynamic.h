/*
 * What the dynamic segment of a module's file says of its symbols (gABI "Dynamic Section"), for
 * those who want one of them without sorting all.
 */
#ifndef INJECTOR_DYNAMIC_H
#define INJECTOR_DYNAMIC_H

#include "injector/elf_image.h"
#include "injector/module.h"
#include "injector/symbol_hash.h"

#include <stddef.h>

/* Where the tables are, as ELF vaddr; `elf` is an image of the module. */
void dynamic_read(const struct module *module, const struct elf_image *elf,
                  struct symbol_tables *ret);

/* How many symbols there are; 0: none, or it does not say. */
size_t dynamic_symbol_count(const struct elf_image *elf, const struct symbol_tables *tables);

#endif
