/*
 * Which types of the debug information are the same type: each compilation unit describes anew all
 * those it uses, and different units may give one name to different types.
 */
#ifndef SRC_CREPL_SIGNATURE_H
#define SRC_CREPL_SIGNATURE_H

#include <elfutils/libdw.h>

/*
 * A text that is equal for equal types: kind, name, size, line, file where it is no header, and
 * members (enumerators) with place and type. malloc'ed; NULL without memory.
 */
char *type_signature(Dwarf_Die *type);

#endif
