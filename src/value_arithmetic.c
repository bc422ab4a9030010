#include "src/value_arithmetic.h"

#include <dwarf.h>

const struct slot slot_generic = {.size = SLOT_GENERIC_SIZE, .is_generic = true};

static uint64_t extend(uint64_t value, unsigned size, bool is_signed)
{
    unsigned unused = (SLOT_GENERIC_SIZE - size) * 8;
    value <<= unused;
    return is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
}

uint64_t slot_fit(uint64_t value, const struct slot *type)
{
    return extend(value, type->size, type->is_signed);
}

uint64_t slot_unary(uint8_t operation, uint64_t operand, const struct slot *a)
{
    switch (operation) {
    case DW_OP_abs:
        return (int64_t)a->value < 0 ? -a->value : a->value;
    case DW_OP_neg:
        return -a->value;
    case DW_OP_not:
        return ~a->value;
    default:
        return a->value + operand;
    }
}

/* Division by zero, and the one quotient that does not fit, have no result. */
static bool divide(const struct slot *a, const struct slot *b, bool modulo, uint64_t *ret)
{
    /* Generic ones divide as signed, but their remainder is that of unsigned ones (2.5.1.4). */
    bool is_signed = a->is_signed || (a->is_generic && !modulo);
    if (!b->value || (is_signed && b->value == UINT64_MAX && a->value == UINT64_C(1) << 63))
        return false;
    if (is_signed)
        *ret = modulo ? (uint64_t)((int64_t)a->value % (int64_t)b->value)
                      : (uint64_t)((int64_t)a->value / (int64_t)b->value);
    else
        *ret = modulo ? a->value % b->value : a->value / b->value;
    return true;
}

static uint64_t shift(uint8_t operation, const struct slot *a, uint64_t by)
{
    unsigned bits = a->size * 8;
    if (operation == DW_OP_shra) {
        unsigned count = by < bits ? (unsigned)by : bits - 1;
        return (uint64_t)((int64_t)extend(a->value, a->size, true) >> count);
    }
    if (by >= bits)
        return 0;
    return operation == DW_OP_shl ? a->value << by : extend(a->value, a->size, false) >> by;
}

static bool compare(uint8_t operation, const struct slot *a, const struct slot *b)
{
    /* Generic ones compare as signed (2.5.1.5). */
    bool is_signed = a->is_signed || a->is_generic;
    int64_t x = (int64_t)a->value, y = (int64_t)b->value;
    bool less = is_signed ? x < y : a->value < b->value;
    bool equal = a->value == b->value;
    switch (operation) {
    case DW_OP_eq:
        return equal;
    case DW_OP_ne:
        return !equal;
    case DW_OP_lt:
        return less;
    case DW_OP_le:
        return less || equal;
    case DW_OP_gt:
        return !less && !equal;
    default:
        return !less;
    }
}

bool slot_binary(uint8_t operation, const struct slot *a, const struct slot *b, struct slot *ret)
{
    uint64_t value;
    switch (operation) {
    case DW_OP_and:
        value = a->value & b->value;
        break;
    case DW_OP_or:
        value = a->value | b->value;
        break;
    case DW_OP_xor:
        value = a->value ^ b->value;
        break;
    case DW_OP_plus:
        value = a->value + b->value;
        break;
    case DW_OP_minus:
        value = a->value - b->value;
        break;
    case DW_OP_mul:
        value = a->value * b->value;
        break;
    case DW_OP_div:
    case DW_OP_mod:
        if (!divide(a, b, operation == DW_OP_mod, &value))
            return false;
        break;
    case DW_OP_shl:
    case DW_OP_shr:
    case DW_OP_shra:
        value = shift(operation, a, b->value);
        break;
    default:
        *ret = slot_generic;
        ret->value = compare(operation, a, b);
        return true;
    }
    *ret = *a;
    ret->value = value;
    return true;
}
