/*
 * Types of the debug information: what is behind typedefs and qualifiers, sizes, and names as the
 * source would write them. Chains and nesting are bounded: a hostile type may refer to itself.
 */
#ifndef SRC_TYPES_H
#define SRC_TYPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The type of a variable, member, pointer, ...: DW_AT_type as it stands. False: void. */
bool type_of(Dwarf_Die *die, Dwarf_Die *ret);

/* Behind typedefs and qualifiers; false: void, or a chain that does not end. */
bool type_strip(const Dwarf_Die *type, Dwarf_Die *ret);

/* DW_AT_byte_size, or the size of an address; false: it says none (arrays, incomplete types). */
bool type_byte_size(Dwarf_Die *type, uint64_t *ret);

/* Of a base type, enumeration or pointer: may be computed with as a number. */
bool type_is_integer(Dwarf_Die *type);
bool type_is_signed(Dwarf_Die *type);

/* A base type of characters of one byte. */
bool type_is_char(Dwarf_Die *type);

/* DW_AT_name, also by way of the declaration; NULL: has none. */
const char *type_die_name(Dwarf_Die *die);

/* As the source would write it: "const char *", "int [3]", "void (*)(int)". Always terminated. */
void type_write_name(Dwarf_Die *type, char *buffer, size_t size);

/* "int (*handlers[3])(int)": the declaration of `name`, as above. */
void type_write_declaration(Dwarf_Die *type, const char *name, char *buffer, size_t size);

/* "long add(long a, long b)": of a function that is called `name` here, with its parameters. */
void type_write_function(Dwarf_Die *function, const char *name, char *buffer, size_t size);

#endif
