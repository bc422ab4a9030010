/*
 * Which structures may be passed and returned by value between code of libtcc and code of gcc. By
 * the System V ABI for x86-64 (3.2.3) one of up to 16 bytes goes in registers, each half of it in
 * one of the kind that its members ask for. Where the halves ask for different kinds libtcc 0.9.27
 * uses the wrong ones, silently; types that it does not know it would pass as something else.
 */
#ifndef SRC_CREPL_BY_VALUE_H
#define SRC_CREPL_BY_VALUE_H

#include "src/crepl/layout.h"

/* Whether the result and all parameters of a function or function type may be passed by value.
   NULL: they may; otherwise why not, for a message: "mixes integer and floating members", and *ret
   is set to the refused type. `mixed_too`: the code is not libtcc's, which alone gets those wrong.
 */
const char *by_value_call_refused(struct layouts *layouts, struct module *module,
                                  Dwarf_Die *function, bool mixed_too, Dwarf_Die *ret);

#endif
