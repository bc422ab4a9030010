/* Types of the debug information for people: as C would declare them, with places and holes. */
#ifndef SRC_CREPL_TYPE_PRINT_H
#define SRC_CREPL_TYPE_PRINT_H

#include "src/crepl/layout.h"

#include <stdio.h>

/* The structure, union or enumeration behind typedefs, pointers, arrays and the results of
   functions; false: none. */
bool type_print_finds(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                      Dwarf_Die *ret);

/*
 * Writes the definition of a structure, union, enumeration, typedef or base type. In front of each
 * member stand its offset in bytes from the start of the outermost structure ("24:3": the bit of a
 * bit-field) and the size of its type; what no member covers is told. The text is not yet safe for
 * a terminal.
 */
void type_print(FILE *out, struct layouts *layouts, struct module *module, const Dwarf_Die *type);

/* "typedef int (*handler)(int)": of a typedef that is called `name` here, into buffer. */
void type_print_typedef(Dwarf_Die *type, const char *name, char *buffer, size_t size);

/* "file.c:12" of a declaration, into buffer; false: the debug information does not say. */
bool type_print_place(Dwarf_Die *die, char *buffer, size_t size);

#endif
