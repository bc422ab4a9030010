/* Location expressions: what unwind tables use of them. */
#include "payload/cfi.h"

#define DEPTH 16
#define OPERATIONS_MAX 256

/* DWARF 5, section 7.7.1. */
enum {
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_MUL = 0x1e,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_NOP = 0x96,
};

struct evaluation {
    uint64_t stack[DEPTH];
    size_t depth;
    enum cfi_step wrong; /* CFI_DONE: nothing */
};

static void push(struct evaluation *evaluation, uint64_t value)
{
    if (evaluation->depth == DEPTH)
        evaluation->wrong = CFI_NO_TABLE;
    else
        evaluation->stack[evaluation->depth++] = value;
}

static uint64_t pop(struct evaluation *evaluation)
{
    if (!evaluation->depth) {
        evaluation->wrong = CFI_NO_TABLE;
        return 0;
    }
    return evaluation->stack[--evaluation->depth];
}

static uint64_t shift(uint8_t operation, uint64_t value, uint64_t by)
{
    if (operation == OP_SHRA)
        return (uint64_t)((int64_t)value >> (by < 63 ? by : 63));
    return by > 63 ? 0 : operation == OP_SHL ? value << by : value >> by;
}

/* Of two operands; comparisons have signs. */
static bool combine(uint8_t operation, uint64_t one, uint64_t other, uint64_t *ret)
{
    int64_t a = (int64_t)one, b = (int64_t)other;
    switch (operation) {
    case OP_AND:
        *ret = one & other;
        return true;
    case OP_MINUS:
        *ret = one - other;
        return true;
    case OP_MUL:
        *ret = one * other;
        return true;
    case OP_OR:
        *ret = one | other;
        return true;
    case OP_PLUS:
        *ret = one + other;
        return true;
    case OP_XOR:
        *ret = one ^ other;
        return true;
    case OP_SHL:
    case OP_SHR:
    case OP_SHRA:
        *ret = shift(operation, one, other);
        return true;
    case OP_EQ:
        *ret = a == b;
        return true;
    case OP_NE:
        *ret = a != b;
        return true;
    case OP_GE:
        *ret = a >= b;
        return true;
    case OP_GT:
        *ret = a > b;
        return true;
    case OP_LE:
        *ret = a <= b;
        return true;
    case OP_LT:
        *ret = a < b;
        return true;
    }
    return false;
}

/* An operation that pushes what it names. */
static bool push_constant(struct evaluation *evaluation, struct cfi_reader *reader,
                          uint8_t operation)
{
    if (operation >= OP_LIT0 && operation <= OP_LIT31)
        push(evaluation, operation - OP_LIT0);
    else if (operation == OP_CONSTU)
        push(evaluation, cfi_read_unsigned(reader));
    else if (operation == OP_CONSTS)
        push(evaluation, (uint64_t)cfi_read_signed(reader));
    else if (operation < OP_CONST1U || operation > OP_CONST8S)
        return false;
    else { /* 1, 2, 4, 8 bytes, each without and with a sign */
        unsigned size = 1u << (operation - OP_CONST1U) / 2;
        bool has_sign = (operation - OP_CONST1U) & 1;
        push(evaluation, has_sign ? (uint64_t)cfi_read_fixed_signed(reader, size)
                                  : cfi_read_fixed(reader, size));
    }
    return true;
}

static void push_register(struct evaluation *evaluation, struct cfi_reader *reader,
                          const struct registers *registers, unsigned number)
{
    int64_t offset = cfi_read_signed(reader);
    if (register_known(registers, number))
        push(evaluation, registers->value[number] + (uint64_t)offset);
    else
        evaluation->wrong = CFI_NEEDS_REGISTER;
}

static void dereference(struct evaluation *evaluation, struct view *stack)
{
    uint64_t value;
    if (view_read(stack, pop(evaluation), &value, sizeof(value)))
        push(evaluation, value);
    else
        evaluation->wrong = CFI_UNREADABLE;
}

static void operate(struct evaluation *evaluation, struct cfi_reader *reader, struct view *stack,
                    const struct registers *registers)
{
    uint8_t operation = (uint8_t)cfi_read_fixed(reader, 1);
    if (operation >= OP_BREG0 && operation <= OP_BREG31) {
        push_register(evaluation, reader, registers, operation - OP_BREG0);
    } else if (operation == OP_DEREF) {
        dereference(evaluation, stack);
    } else if (operation == OP_DUP) {
        uint64_t top = pop(evaluation);
        push(evaluation, top);
        push(evaluation, top);
    } else if (operation == OP_DROP) {
        pop(evaluation);
    } else if (operation == OP_PLUS_UCONST) {
        push(evaluation, pop(evaluation) + cfi_read_unsigned(reader));
    } else if (operation != OP_NOP && !push_constant(evaluation, reader, operation)) {
        uint64_t other = pop(evaluation), one = pop(evaluation), result;
        if (combine(operation, one, other, &result))
            push(evaluation, result);
        else
            evaluation->wrong = CFI_NO_TABLE;
    }
}

enum cfi_step cfi_evaluate(struct view *code, struct view *stack, uintptr_t program, uint64_t size,
                           const struct registers *registers, bool pushed, uint64_t *value)
{
    struct evaluation evaluation = {.wrong = CFI_DONE};
    struct cfi_reader reader = {code, program, program + size, true};
    if (pushed)
        push(&evaluation, *value);
    for (size_t i = 0; reader.at < reader.end && evaluation.wrong == CFI_DONE; i++) {
        if (i == OPERATIONS_MAX)
            return CFI_NO_TABLE;
        operate(&evaluation, &reader, stack, registers);
        if (!reader.ok)
            return CFI_NO_TABLE;
    }
    if (evaluation.wrong == CFI_DONE)
        *value = pop(&evaluation);
    return evaluation.wrong;
}
