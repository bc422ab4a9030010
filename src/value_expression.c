#include "src/value_locate.h"

#include "src/types.h"
#include "src/value_arithmetic.h"
#include "src/value_private.h"

#include <dwarf.h>
#include <string.h>

#define STACK_MAX 64

struct machine {
    const struct value_frame *frame;
    const struct expression *expression;
    const uint64_t *object;
    unsigned nesting;

    struct slot stack[STACK_MAX];
    size_t depth;
    struct piece piece; /* the current one, once an operation said other than "in memory" */
    bool has_piece;
    enum place problem; /* PLACE_BYTES: none so far */
};

static bool fail(struct machine *machine, enum place why)
{
    machine->problem = why;
    return false;
}

/* `type` tells all but the value. */
static bool push_typed(struct machine *machine, uint64_t value, const struct slot *type)
{
    if (machine->depth == STACK_MAX)
        return fail(machine, PLACE_UNKNOWN);
    struct slot *slot = &machine->stack[machine->depth++];
    *slot = *type;
    slot->value = slot_fit(value, type);
    return true;
}

static bool push(struct machine *machine, uint64_t value)
{
    return push_typed(machine, value, &slot_generic);
}

static bool pop(struct machine *machine, struct slot *ret)
{
    if (!machine->depth)
        return fail(machine, PLACE_UNKNOWN);
    *ret = machine->stack[--machine->depth];
    return true;
}

static bool push_register(struct machine *machine, uint64_t number, uint64_t offset)
{
    uint64_t value;
    if (!value_frame_register(machine->frame, number, &value))
        return fail(machine, PLACE_UNKNOWN_REGISTER);
    return push(machine, value + offset);
}

static bool push_frame_base(struct machine *machine, uint64_t offset)
{
    uint64_t base;
    enum place place = value_frame_base(machine->frame, machine->nesting + 1, &base);
    return place == PLACE_BYTES ? push(machine, base + offset) : fail(machine, place);
}

static bool push_cfa(struct machine *machine)
{
    return machine->frame->cfa ? push(machine, machine->frame->cfa)
                               : fail(machine, PLACE_UNKNOWN_REGISTER);
}

/* An address or constant by its index in .debug_addr. */
static bool push_indexed(struct machine *machine, const Dwarf_Op *op, uint64_t bias)
{
    Dwarf_Attribute attribute;
    Dwarf_Addr address;
    if (dwarf_getlocation_attr(machine->expression->attribute, op, &attribute) != 0 ||
        dwarf_formaddr(&attribute, &address) != 0)
        return fail(machine, PLACE_UNKNOWN);
    return push(machine, address + bias);
}

/* The base type that an operation names; only of integers, and addresses, values are computed. */
static bool find_type(struct machine *machine, const Dwarf_Op *op, struct slot *ret)
{
    Dwarf_Die type;
    uint64_t size;
    *ret = slot_generic;
    bool is_conversion = op->atom == DW_OP_convert || op->atom == DW_OP_GNU_convert ||
                         op->atom == DW_OP_reinterpret || op->atom == DW_OP_GNU_reinterpret;
    if (is_conversion && op->number == 0)
        return true; /* to the generic type */
    if (dwarf_getlocation_die(machine->expression->attribute, op, &type) != 0 ||
        !type_byte_size(&type, &size) || size == 0 || size > SLOT_GENERIC_SIZE ||
        !type_is_integer(&type))
        return fail(machine, PLACE_UNKNOWN);
    *ret = (struct slot){.size = (unsigned)size, .is_signed = type_is_signed(&type)};
    return true;
}

static bool convert(struct machine *machine, const Dwarf_Op *op)
{
    struct slot type, from;
    return find_type(machine, op, &type) && pop(machine, &from) &&
           push_typed(machine, from.value, &type);
}

static bool push_typed_register(struct machine *machine, const Dwarf_Op *op)
{
    struct slot type;
    uint64_t value;
    if (!find_type(machine, op, &type))
        return false;
    if (!value_frame_register(machine->frame, op->number, &value))
        return fail(machine, PLACE_UNKNOWN_REGISTER);
    return push_typed(machine, value, &type);
}

static bool push_typed_constant(struct machine *machine, const Dwarf_Op *op)
{
    struct slot type;
    Dwarf_Attribute attribute;
    Dwarf_Block block;
    if (!find_type(machine, op, &type))
        return false;
    if (dwarf_getlocation_attr(machine->expression->attribute, op, &attribute) != 0 ||
        dwarf_formblock(&attribute, &block) != 0 || block.length > SLOT_GENERIC_SIZE)
        return fail(machine, PLACE_UNKNOWN);
    uint64_t value = 0;
    memcpy(&value, block.data, block.length);
    return push_typed(machine, value, &type);
}

static bool dereference(struct machine *machine, uint64_t size, const struct slot *type)
{
    struct slot address;
    uint64_t value = 0;
    if (!pop(machine, &address))
        return false;
    if (size > sizeof(value))
        return fail(machine, PLACE_UNKNOWN);
    if (!value_frame_read(machine->frame, address.value, &value, size))
        return fail(machine, PLACE_UNREADABLE);
    return push_typed(machine, value, type);
}

static bool push_entry_value(struct machine *machine, const Dwarf_Op *op)
{
    Dwarf_Attribute attribute;
    struct expression inner = {.attribute = &attribute};
    uint64_t number, value;
    if (dwarf_getlocation_attr(machine->expression->attribute, op, &attribute) != 0 ||
        dwarf_getlocation(&attribute, &inner.ops, &inner.count) != 0 ||
        !expression_is_register(&inner, &number))
        return fail(machine, PLACE_UNKNOWN);
    enum place place = value_entry_register(machine->frame, number, machine->nesting + 1, &value);
    return place == PLACE_BYTES ? push(machine, value) : fail(machine, place);
}

static bool push_variable_value(struct machine *machine, const Dwarf_Op *op)
{
    Dwarf_Die variable;
    uint64_t value;
    if (dwarf_getlocation_die(machine->expression->attribute, op, &variable) != 0)
        return fail(machine, PLACE_UNKNOWN);
    enum place place =
        value_variable_number(machine->frame, &variable, machine->nesting + 1, &value);
    return place == PLACE_BYTES ? push(machine, value) : fail(machine, place);
}

/* --- Stack operations (DWARF 5, 2.5.1.3 to 2.5.1.5). --- */

static bool pick(struct machine *machine, uint64_t index)
{
    if (index >= machine->depth)
        return fail(machine, PLACE_UNKNOWN);
    const struct slot *slot = &machine->stack[machine->depth - 1 - index];
    return push_typed(machine, slot->value, slot);
}

/* Moves the top element below `count` others. */
static bool bury(struct machine *machine, size_t count)
{
    if (machine->depth <= count)
        return fail(machine, PLACE_UNKNOWN);
    struct slot *top = &machine->stack[machine->depth - 1], moved = *top;
    memmove(top - count + 1, top - count, count * sizeof(*top));
    top[-(ptrdiff_t)count] = moved;
    return true;
}

static bool do_unary(struct machine *machine, const Dwarf_Op *op)
{
    struct slot a;
    return pop(machine, &a) && push_typed(machine, slot_unary(op->atom, op->number, &a), &a);
}

static bool do_binary(struct machine *machine, const Dwarf_Op *op)
{
    struct slot a, b, result;
    if (!pop(machine, &b) || !pop(machine, &a))
        return false;
    if (!slot_binary(op->atom, &a, &b, &result))
        return fail(machine, PLACE_UNKNOWN);
    return push_typed(machine, result.value, &result);
}

/* --- Places (DWARF 5, 2.6.1). --- */

static bool set_piece(struct machine *machine, const struct piece *piece)
{
    machine->piece = *piece;
    machine->has_piece = true;
    return true;
}

static bool in_register(struct machine *machine, uint64_t number)
{
    struct piece piece = {.place = PLACE_BYTES};
    if (!value_frame_register(machine->frame, number, &piece.value))
        return fail(machine, PLACE_UNKNOWN_REGISTER);
    return set_piece(machine, &piece);
}

static bool take_stack_value(struct machine *machine)
{
    struct slot slot;
    if (!pop(machine, &slot))
        return false;
    return set_piece(machine, &(struct piece){.place = PLACE_BYTES, .value = slot.value});
}

static bool take_implicit_value(struct machine *machine, const Dwarf_Op *op)
{
    Dwarf_Block block;
    if (dwarf_getlocation_implicit_value(machine->expression->attribute, op, &block) != 0)
        return fail(machine, PLACE_UNKNOWN);
    return set_piece(
        machine,
        &(struct piece){.place = PLACE_BYTES, .bytes = block.data, .bytes_size = block.length});
}

/* The piece that the operations since the last one described. */
static struct piece current_piece(struct machine *machine, size_t size)
{
    struct piece piece = {.place = PLACE_OPTIMIZED_OUT};
    if (machine->problem != PLACE_BYTES)
        piece.place = machine->problem;
    else if (machine->has_piece)
        piece = machine->piece;
    else if (machine->depth)
        piece = (struct piece){.place = PLACE_MEMORY,
                               .address = machine->stack[machine->depth - 1].value};
    piece.size = size;
    return piece;
}

/* --- One operation after the other. --- */

static bool do_push(struct machine *machine, const Dwarf_Op *op)
{
    const struct value_frame *frame = machine->frame;
    switch (op->atom) {
    case DW_OP_addr:
        return push(machine, op->number + frame->bias);
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return push_indexed(machine, op, frame->bias);
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return push_indexed(machine, op, 0);
    case DW_OP_const1u ... DW_OP_consts:
        return push(machine, op->number);
    case DW_OP_lit0 ... DW_OP_lit31:
        return push(machine, op->atom - DW_OP_lit0);
    case DW_OP_breg0 ... DW_OP_breg31:
        return push_register(machine, op->atom - DW_OP_breg0, op->number);
    case DW_OP_bregx:
        return push_register(machine, op->number, op->number2);
    case DW_OP_fbreg:
        return push_frame_base(machine, op->number);
    case DW_OP_call_frame_cfa:
        return push_cfa(machine);
    case DW_OP_push_object_address:
        return machine->object ? push(machine, *machine->object) : fail(machine, PLACE_UNKNOWN);
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        return push_entry_value(machine, op);
    case DW_OP_GNU_variable_value:
        return push_variable_value(machine, op);
    case DW_OP_regval_type:
    case DW_OP_GNU_regval_type:
        return push_typed_register(machine, op);
    case DW_OP_const_type:
    case DW_OP_GNU_const_type:
        return push_typed_constant(machine, op);
    default:
        return fail(machine, PLACE_UNKNOWN);
    }
}

static bool do_place(struct machine *machine, const Dwarf_Op *op)
{
    switch (op->atom) {
    case DW_OP_reg0 ... DW_OP_reg31:
        return in_register(machine, op->atom - DW_OP_reg0);
    case DW_OP_regx:
        return in_register(machine, op->number);
    case DW_OP_stack_value:
        return take_stack_value(machine);
    case DW_OP_implicit_value:
        return take_implicit_value(machine, op);
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
        return set_piece(machine, &(struct piece){.place = PLACE_SYNTHETIC});
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
        return fail(machine, PLACE_THREAD_LOCAL);
    default:
        return do_push(machine, op);
    }
}

static bool do_operation(struct machine *machine, const Dwarf_Op *op)
{
    struct slot slot = slot_generic;
    switch (op->atom) {
    case DW_OP_nop:
    case DW_OP_GNU_uninit:
        return true;
    case DW_OP_dup:
        return pick(machine, 0);
    case DW_OP_over:
        return pick(machine, 1);
    case DW_OP_pick:
        return pick(machine, op->number);
    case DW_OP_drop:
        return pop(machine, &slot);
    case DW_OP_swap:
        return bury(machine, 1);
    case DW_OP_rot:
        return bury(machine, 2);
    case DW_OP_abs:
    case DW_OP_neg:
    case DW_OP_not:
    case DW_OP_plus_uconst:
        return do_unary(machine, op);
    case DW_OP_and:
    case DW_OP_or:
    case DW_OP_xor:
    case DW_OP_plus:
    case DW_OP_minus:
    case DW_OP_mul:
    case DW_OP_div:
    case DW_OP_mod:
    case DW_OP_shl:
    case DW_OP_shr:
    case DW_OP_shra:
    case DW_OP_eq ... DW_OP_ne:
        return do_binary(machine, op);
    case DW_OP_deref:
        return dereference(machine, slot.size, &slot);
    case DW_OP_deref_size:
        return dereference(machine, op->number, &slot);
    case DW_OP_deref_type:
    case DW_OP_GNU_deref_type:
        return find_type(machine, op, &slot) && dereference(machine, slot.size, &slot);
    case DW_OP_convert:
    case DW_OP_GNU_convert:
    case DW_OP_reinterpret:
    case DW_OP_GNU_reinterpret:
        return convert(machine, op);
    default:
        return do_place(machine, op);
    }
}

/* To the operation that a jump leads to: right behind the last one at the end. */
static bool jump(struct machine *machine, const Dwarf_Op *op, size_t *next)
{
    const struct expression *expression = machine->expression;
    /* Relative to what follows its operand of 2 bytes. */
    Dwarf_Word target = op->offset + 3 + (uint64_t)(int64_t)(int16_t)op->number;
    for (size_t i = 0; i < expression->count; i++) {
        if (expression->ops[i].offset == target) {
            *next = i;
            return true;
        }
    }
    *next = expression->count;
    return target > op->offset || fail(machine, PLACE_UNKNOWN);
}

static bool branch(struct machine *machine, const Dwarf_Op *op, size_t *next)
{
    struct slot condition;
    if (op->atom == DW_OP_skip)
        return jump(machine, op, next);
    return pop(machine, &condition) && (!condition.value || jump(machine, op, next));
}

static bool is_piece(const Dwarf_Op *op)
{
    return op->atom == DW_OP_piece || op->atom == DW_OP_bit_piece;
}

/* False when there are too many, or one that is not made of whole bytes. */
static bool end_piece(struct machine *machine, const Dwarf_Op *op, struct storage *storage)
{
    uint64_t size = op->number;
    if (op->atom == DW_OP_bit_piece) {
        if (op->number % 8 || op->number2)
            return false;
        size /= 8;
    }
    if (storage->count == PIECES_MAX)
        return false;
    storage->pieces[storage->count++] = current_piece(machine, size);
    machine->depth = 0;
    machine->has_piece = false;
    machine->problem = PLACE_BYTES;
    return true;
}

/* Fills the storage with the pieces, if there are several; false: it makes no sense. */
static bool run(struct machine *machine, struct storage *storage)
{
    const struct expression *expression = machine->expression;
    struct value_thread *thread = machine->frame->thread;
    for (size_t i = 0; i < expression->count;) {
        const Dwarf_Op *op = &expression->ops[i++];
        if (!thread->steps_left)
            return false;
        thread->steps_left--;
        if (is_piece(op)) {
            if (!end_piece(machine, op, storage))
                return false;
        } else if (machine->problem != PLACE_BYTES) {
            continue; /* on to the next piece */
        } else if (op->atom == DW_OP_bra || op->atom == DW_OP_skip) {
            (void)branch(machine, op, &i); /* machine->problem says what failed */
        } else {
            (void)do_operation(machine, op);
        }
    }
    return true;
}

static bool start(struct machine *machine, const struct value_frame *frame,
                  const struct expression *expression, const uint64_t *object, unsigned nesting)
{
    *machine = (struct machine){.frame = frame,
                                .expression = expression,
                                .object = object,
                                .nesting = nesting,
                                .problem = PLACE_BYTES};
    return nesting <= NESTING_MAX && (!object || push(machine, *object));
}

void expression_locate(const struct value_frame *frame, const struct expression *expression,
                       const uint64_t *object, unsigned nesting, struct storage *ret)
{
    struct machine machine;
    ret->count = 0;
    if (!start(&machine, frame, expression, object, nesting) || !run(&machine, ret)) {
        storage_nowhere(ret, PLACE_UNKNOWN);
        return;
    }
    if (!ret->count)
        ret->pieces[ret->count++] = current_piece(&machine, SIZE_MAX);
}

enum place expression_number(const struct value_frame *frame, const struct expression *expression,
                             const uint64_t *object, unsigned nesting, uint64_t *ret)
{
    struct storage storage;
    expression_locate(frame, expression, object, nesting, &storage);
    const struct piece *piece = &storage.pieces[0];
    if (storage.count != 1 || piece->size != SIZE_MAX || piece->bytes)
        return PLACE_UNKNOWN;
    if (piece->place != PLACE_MEMORY && piece->place != PLACE_BYTES)
        return piece->place;
    *ret = piece->place == PLACE_MEMORY ? piece->address : piece->value;
    return PLACE_BYTES;
}
