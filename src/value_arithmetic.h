/* Elements of the stack of DWARF expressions, and what is computed of them (DWARF 5, 2.5.1). */
#ifndef SRC_VALUE_ARITHMETIC_H
#define SRC_VALUE_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the generic type: that of an address. */
#define SLOT_GENERIC_SIZE ((unsigned)sizeof(uint64_t))

/* An element: of the generic type, or of a base type of integers. */
struct slot {
    uint64_t value; /* as slot_fit returns it */
    unsigned size;  /* bytes, 1 to 8 */
    bool is_signed;
    bool is_generic; /* of no sign in particular: the operation tells */
};

/* The generic type, and 0. */
extern const struct slot slot_generic;

/* A value as the type of the element reads it: cut, and extended to 64 bits. */
uint64_t slot_fit(uint64_t value, const struct slot *type);

/* DW_OP_abs, _neg, _not, _plus_uconst. The result is still to be fitted. */
uint64_t slot_unary(uint8_t operation, uint64_t operand, const struct slot *a);

/* The operations with two operands; of _minus and the like `b` was on top. False: no
   result. It is still to be fitted. */
bool slot_binary(uint8_t operation, const struct slot *a, const struct slot *b, struct slot *ret);

#endif
