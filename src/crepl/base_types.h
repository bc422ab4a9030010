/* Base types of the debug information in the words of C. */
#ifndef SRC_CREPL_BASE_TYPES_H
#define SRC_CREPL_BASE_TYPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * "unsigned long", "_Bool", "char", ..., by encoding and size: the source may be C++ or Rust. NULL:
 * one that libtcc has not (__int128, _Complex, _Float128, decimal and half floating).
 */
const char *base_type_text(Dwarf_Die *die);

/* An integer type of that size in bytes; NULL: there is none. */
const char *integer_type_text(uint64_t size, bool is_signed);

#endif
