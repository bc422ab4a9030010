/* What the files that evaluate DWARF share: value_expression.c (operations), value_locate.c (where
   the expressions come from) and value_entry.c (values at the time of the call). */
#ifndef SRC_VALUE_PRIVATE_H
#define SRC_VALUE_PRIVATE_H

#include "src/value_locate.h"

/* Expressions that take other ones to evaluate, within one another. */
#define NESTING_MAX 8

/* The operations of an attribute; libdw owns them. */
struct expression {
    Dwarf_Attribute *attribute;
    Dwarf_Op *ops;
    size_t count;
};

/*
 * Evaluates to a place. `object` (may be NULL) is the runtime address that the expression begins
 * with on its stack and takes for the current object.
 */
void expression_locate(const struct value_frame *frame, const struct expression *expression,
                       const uint64_t *object, unsigned nesting, struct storage *ret);

/* Evaluates to a number: what is on top of the stack. PLACE_BYTES, or why there is none. */
enum place expression_number(const struct value_frame *frame, const struct expression *expression,
                             const uint64_t *object, unsigned nesting, uint64_t *ret);

/* The expression of an attribute at an address in the file; false: there is none for it. */
bool expression_find(Dwarf_Attribute *attribute, Dwarf_Addr at, struct expression *ret);

/* True for an expression that says "in register *ret". */
bool expression_is_register(const struct expression *expression, uint64_t *ret);

/* The frame base of the function (DW_AT_frame_base), and a variable's value as a number. */
enum place value_frame_base(const struct value_frame *frame, unsigned nesting, uint64_t *ret);
enum place value_variable_number(const struct value_frame *frame, Dwarf_Die *variable,
                                 unsigned nesting, uint64_t *ret);

/* What a register was when the function was called. PLACE_BYTES, or why that is not known. */
enum place value_entry_register(const struct value_frame *frame, uint64_t number, unsigned nesting,
                                uint64_t *ret);

#endif
