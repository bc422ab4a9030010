/*
 * The symbols of one module, sorted by address, and the rule which of several that cover an address
 * names it: the one elfutils chooses (dwfl_module_addrsym), so that our names are those of
 * eu-stack.
 */
#ifndef INJECTOR_SYMBOL_INDEX_H
#define INJECTOR_SYMBOL_INDEX_H

#include "injector/elf_image.h"
#include "injector/module.h"

struct symbol_index;

/*
 * From .symtab of the module's file and of its debug file, and .dynsym. Names point into these
 * files, which must stay. NULL without memory; an index without symbols is none.
 */
struct symbol_index *symbol_index_create(struct module *module);

/* From .symtab of an image alone; runtime address = symbol's value + bias. As above. */
struct symbol_index *symbol_index_of_image(const struct elf_image *elf, uint64_t bias);
void symbol_index_destroy(struct symbol_index *index);

bool symbol_index_find(const struct symbol_index *index, uint64_t address, struct symbol *ret);
bool symbol_index_by_name(const struct symbol_index *index, const char *name, struct symbol *ret);
void symbol_index_each(const struct symbol_index *index,
                       bool (*visit)(const struct symbol *, void *), void *context);

#endif
