/* From a variable's entry to the expression that holds here, and to the bytes it leads to. */
#include "src/value_locate.h"

#include "src/types.h"
#include "src/value_private.h"

#include <dwarf.h>
#include <string.h>

void storage_in_memory(struct storage *storage, uint64_t address)
{
    storage->count = 1;
    storage->pieces[0] =
        (struct piece){.place = PLACE_MEMORY, .size = SIZE_MAX, .address = address};
}

void storage_nowhere(struct storage *storage, enum place place)
{
    storage->count = 1;
    storage->pieces[0] = (struct piece){.place = place, .size = SIZE_MAX};
}

/* `size` bytes from `offset` on, which lie within the piece. */
static enum place read_piece(const struct value_frame *frame, const struct piece *piece,
                             uint64_t offset, uint8_t *buffer, size_t size)
{
    const uint8_t *bytes = piece->bytes ? piece->bytes : (const uint8_t *)&piece->value;
    size_t bytes_size = piece->bytes ? piece->bytes_size : sizeof(piece->value);
    switch (piece->place) {
    case PLACE_MEMORY:
        return value_frame_read(frame, piece->address + offset, buffer, size) ? PLACE_BYTES
                                                                              : PLACE_UNREADABLE;
    case PLACE_BYTES:
        if (offset > bytes_size || size > bytes_size - offset)
            return PLACE_UNKNOWN;
        memcpy(buffer, bytes + offset, size);
        return PLACE_BYTES;
    default:
        return piece->place;
    }
}

enum place storage_read(const struct value_frame *frame, const struct storage *storage,
                        uint64_t offset, void *buffer, size_t size)
{
    uint8_t *to = buffer;
    for (size_t i = 0; i < storage->count && size; i++) {
        const struct piece *piece = &storage->pieces[i];
        if (offset >= piece->size) {
            offset -= piece->size;
            continue;
        }
        size_t part = piece->size - offset < size ? piece->size - offset : size;
        enum place place = read_piece(frame, piece, offset, to, part);
        if (place != PLACE_BYTES)
            return place;
        to += part;
        size -= part;
        offset = 0;
    }
    return size ? PLACE_OPTIMIZED_OUT : PLACE_BYTES;
}

bool expression_find(Dwarf_Attribute *attribute, Dwarf_Addr at, struct expression *ret)
{
    *ret = (struct expression){.attribute = attribute};
    return dwarf_getlocation_addr(attribute, at, &ret->ops, &ret->count, 1) == 1;
}

bool expression_is_register(const struct expression *expression, uint64_t *ret)
{
    if (expression->count != 1)
        return false;
    const Dwarf_Op *op = expression->ops;
    if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31)
        *ret = op->atom - DW_OP_reg0;
    else if (op->atom == DW_OP_regx)
        *ret = op->number;
    else
        return false;
    return true;
}

enum place value_frame_base(const struct value_frame *frame, unsigned nesting, uint64_t *ret)
{
    Dwarf_Die function = frame->function;
    Dwarf_Attribute attribute;
    struct expression expression;
    if (!frame->has_function || !dwarf_attr(&function, DW_AT_frame_base, &attribute) ||
        !expression_find(&attribute, frame->lookup_pc, &expression))
        return PLACE_UNKNOWN;
    return expression_number(frame, &expression, NULL, nesting, ret);
}

static bool is_block(unsigned form)
{
    return form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2 ||
           form == DW_FORM_block4 || form == DW_FORM_exprloc;
}

static bool is_constant(unsigned form)
{
    return form == DW_FORM_data1 || form == DW_FORM_data2 || form == DW_FORM_data4 ||
           form == DW_FORM_data8 || form == DW_FORM_sdata || form == DW_FORM_udata ||
           form == DW_FORM_implicit_const;
}

static bool is_string(unsigned form)
{
    return form == DW_FORM_string || form == DW_FORM_strp || form == DW_FORM_line_strp ||
           form == DW_FORM_GNU_strp_alt || form == DW_FORM_strx || form == DW_FORM_strx1 ||
           form == DW_FORM_strx2 || form == DW_FORM_strx3 || form == DW_FORM_strx4;
}

/* DW_AT_const_value: a number, a block or a string (DWARF 5, 4.1). */
static void take_constant(Dwarf_Attribute *attribute, struct storage *ret)
{
    struct piece *piece = &ret->pieces[0];
    unsigned form = dwarf_whatform(attribute);
    Dwarf_Block block;
    Dwarf_Sword number;
    storage_nowhere(ret, PLACE_UNKNOWN);
    if (is_block(form) && dwarf_formblock(attribute, &block) == 0) {
        *piece = (struct piece){.bytes = block.data, .bytes_size = block.length};
    } else if (is_string(form) && dwarf_formstring(attribute)) {
        const char *text = dwarf_formstring(attribute);
        *piece = (struct piece){.bytes = (const uint8_t *)text, .bytes_size = strlen(text) + 1};
    } else if (dwarf_formsdata(attribute, &number) == 0) {
        *piece = (struct piece){.value = (uint64_t)number};
    } else {
        return;
    }
    piece->place = PLACE_BYTES;
    piece->size = SIZE_MAX;
}

static void locate(const struct value_frame *frame, Dwarf_Die *variable, unsigned nesting,
                   struct storage *ret)
{
    Dwarf_Attribute attribute;
    struct expression expression;
    if (dwarf_attr_integrate(variable, DW_AT_const_value, &attribute))
        take_constant(&attribute, ret);
    else if (dwarf_attr_integrate(variable, DW_AT_location, &attribute) &&
             expression_find(&attribute, frame->lookup_pc, &expression))
        expression_locate(frame, &expression, NULL, nesting, ret);
    else
        storage_nowhere(ret, PLACE_OPTIMIZED_OUT);
}

void value_locate(const struct value_frame *frame, Dwarf_Die *variable, struct storage *ret)
{
    locate(frame, variable, 0, ret);
}

bool value_locate_at_entry(const struct value_frame *frame, Dwarf_Die *parameter,
                           struct storage *ret)
{
    Dwarf_Die function = frame->function;
    Dwarf_Attribute attribute;
    struct expression expression;
    Dwarf_Addr start;
    uint64_t number, value;
    if (!frame->has_function || dwarf_entrypc(&function, &start) != 0 ||
        !dwarf_attr_integrate(parameter, DW_AT_location, &attribute) ||
        !expression_find(&attribute, start, &expression) ||
        !expression_is_register(&expression, &number) ||
        value_entry_register(frame, number, 0, &value) != PLACE_BYTES)
        return false;
    ret->count = 1;
    ret->pieces[0] = (struct piece){.place = PLACE_BYTES, .size = SIZE_MAX, .value = value};
    return true;
}

enum place value_variable_number(const struct value_frame *frame, Dwarf_Die *variable,
                                 unsigned nesting, uint64_t *ret)
{
    struct storage storage;
    Dwarf_Die type;
    uint64_t size, value = 0;
    if (nesting > NESTING_MAX || !type_of(variable, &type) || !type_strip(&type, &type) ||
        !type_is_integer(&type) || !type_byte_size(&type, &size) || size > sizeof(value) || !size)
        return PLACE_UNKNOWN;
    locate(frame, variable, nesting, &storage);
    enum place place = storage_read(frame, &storage, 0, &value, size);
    if (place != PLACE_BYTES)
        return place;
    unsigned unused = (unsigned)(sizeof(value) - size) * 8;
    *ret = value << unused >> unused;
    if (type_is_signed(&type))
        *ret = (uint64_t)((int64_t)(value << unused) >> unused);
    return PLACE_BYTES;
}

bool value_number(const struct value_frame *frame, Dwarf_Attribute *attribute, uint64_t *ret)
{
    struct expression expression;
    Dwarf_Die variable;
    Dwarf_Word number;
    if (is_constant(dwarf_whatform(attribute))) {
        if (dwarf_formudata(attribute, &number) != 0)
            return false;
        *ret = number;
        return true;
    }
    if (dwarf_formref_die(attribute, &variable))
        return value_variable_number(frame, &variable, 1, ret) == PLACE_BYTES;
    return expression_find(attribute, frame->lookup_pc, &expression) &&
           expression_number(frame, &expression, NULL, 0, ret) == PLACE_BYTES;
}

bool value_member_address(const struct value_frame *frame, Dwarf_Attribute *attribute,
                          uint64_t object, uint64_t *ret)
{
    struct expression expression = {.attribute = attribute};
    return dwarf_getlocation(attribute, &expression.ops, &expression.count) == 0 &&
           expression_number(frame, &expression, &object, 0, ret) == PLACE_BYTES;
}
