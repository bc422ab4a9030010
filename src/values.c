#include "src/values.h"

#include "src/types.h"
#include "src/value_writer.h"

#include <dwarf.h>
#include <inttypes.h>
#include <string.h>

/* Structures within one another that are shown, as gdb does by default. */
#define DEPTH_MAX 20
#define DIMENSIONS_MAX 16
/* Members of one structure that are looked at: more than any compiler makes. */
#define MEMBERS_MAX 2000
/* Equal elements that are compared at most. */
#define REPEATS_COUNTED 10000
/* Values looked at for one variable: arrays of arrays of equal elements are long work. */
#define WORK_MAX 50000
/* Behind a text that goes on. */
#define CUT "..."

/* A value within a variable: at `offset` bytes of what is in `storage`. */
struct part {
    const struct storage *storage;
    uint64_t offset;
};

static void add_value(struct writer *writer, const Dwarf_Die *type, struct part part,
                      unsigned depth);

/* --- Places and attributes. --- */

/* The runtime address of a part that is in memory as a whole. */
static bool address_of(struct part part, uint64_t *ret)
{
    const struct piece *piece = &part.storage->pieces[0];
    if (piece->place != PLACE_MEMORY || piece->size != SIZE_MAX)
        return false;
    *ret = piece->address + part.offset;
    return true;
}

static bool number_of(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &number) != 0)
        return false;
    *ret = number;
    return true;
}

/* --- Arrays. --- */

struct array {
    Dwarf_Die element;
    uint64_t element_size;
    uint64_t counts[DIMENSIONS_MAX];
    size_t dimensions;
};

static bool size_of(struct writer *writer, const Dwarf_Die *type, unsigned depth, uint64_t *ret);

/* How many elements a dimension has (DWARF 5, 5.13); false: unknown, or none are declared. */
static bool count_of(struct writer *writer, Dwarf_Die *subrange, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    uint64_t upper, lower = 0;
    if (dwarf_attr(subrange, DW_AT_count, &attribute))
        return value_number(writer->frame, &attribute, ret);
    if (!dwarf_attr(subrange, DW_AT_upper_bound, &attribute) ||
        !value_number(writer->frame, &attribute, &upper))
        return false;
    if (dwarf_attr(subrange, DW_AT_lower_bound, &attribute) &&
        !value_number(writer->frame, &attribute, &lower))
        return false;
    *ret = upper - lower + 1;
    return (int64_t)*ret >= 0;
}

static bool describe_array(struct writer *writer, Dwarf_Die *type, unsigned depth,
                           struct array *ret)
{
    Dwarf_Die die;
    ret->dimensions = 0;
    if (!type_of(type, &ret->element) ||
        !size_of(writer, &ret->element, depth + 1, &ret->element_size) ||
        dwarf_child(type, &die) != 0)
        return false;
    do {
        if (dwarf_tag(&die) != DW_TAG_subrange_type)
            continue;
        if (ret->dimensions == DIMENSIONS_MAX ||
            !count_of(writer, &die, &ret->counts[ret->dimensions++]))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return ret->dimensions > 0;
}

/* The bytes of an element of a dimension: those of all dimensions within it. */
static bool stride_of(const struct array *array, size_t dimension, uint64_t *ret)
{
    *ret = array->element_size;
    for (size_t i = dimension + 1; i < array->dimensions; i++)
        if (__builtin_mul_overflow(*ret, array->counts[i], ret))
            return false;
    return true;
}

static bool size_of(struct writer *writer, const Dwarf_Die *type, unsigned depth, uint64_t *ret)
{
    Dwarf_Die die;
    struct array array;
    uint64_t stride;
    if (depth > DEPTH_MAX || !type_strip(type, &die))
        return false;
    if (type_byte_size(&die, ret))
        return true;
    return dwarf_tag(&die) == DW_TAG_array_type && describe_array(writer, &die, depth, &array) &&
           stride_of(&array, 0, &stride) && !__builtin_mul_overflow(stride, array.counts[0], ret);
}

/* How often the element whose text stands at [start, used) follows itself, it included. */
static uint64_t count_repeats(struct writer *writer, const struct elements *elements,
                              uint64_t index, size_t start)
{
    size_t length = writer->used - start;
    uint64_t count = 1;
    while (index + count < elements->count && count < REPEATS_COUNTED && !writer->full &&
           writer->work_left) {
        size_t next = writer->used;
        elements->add(writer, elements, index + count);
        bool equal = writer->used - next == length &&
                     memcmp(writer->text + next, writer->text + start, length) == 0;
        /* What does not fit for the comparison may still fit in its turn, or be cut then. */
        writer->full = false;
        writer->used = next;
        writer->text[next] = '\0';
        if (!equal)
            break;
        count++;
    }
    return count;
}

static void add_repeats(struct writer *writer, size_t start, uint64_t count)
{
    if (count > REPEATS_SHOWN) {
        writer_format(writer, " <repeats %" PRIu64 " times>", count);
        return;
    }
    int length = (int)(writer->used - start);
    for (uint64_t i = 1; i < count; i++)
        writer_format(writer, ", %.*s", length, writer->text + start);
}

void writer_add_elements(struct writer *writer, const struct elements *elements)
{
    uint64_t i = 0, shown = 0;
    writer_add(writer, "{");
    while (i < elements->count && shown < ELEMENTS_MAX && !writer->full && writer->work_left) {
        if (i)
            writer_add(writer, ", ");
        size_t start = writer->used;
        elements->add(writer, elements, i);
        uint64_t repeats = count_repeats(writer, elements, i, start);
        add_repeats(writer, start, repeats);
        shown += repeats < REPEATS_SHOWN ? repeats : REPEATS_SHOWN;
        i += repeats;
    }
    if (i < elements->count)
        writer_format(writer, "... %" PRIu64 " more", elements->count - i);
    writer_add(writer, "}");
}

/* One dimension of an array, as its elements see it. */
struct dimension {
    struct elements elements; /* first: they are handed back */
    const struct array *array;
    size_t index;
    struct part part; /* of the first element */
    uint64_t stride;
    unsigned depth;
};

static void add_dimension(struct writer *writer, const struct array *array, size_t dimension,
                          struct part part, unsigned depth);

static void add_element(struct writer *writer, const struct elements *elements, uint64_t index)
{
    const struct dimension *dimension = (const struct dimension *)elements;
    const struct array *array = dimension->array;
    struct part part = dimension->part;
    part.offset += index * dimension->stride;
    if (dimension->index + 1 < array->dimensions)
        add_dimension(writer, array, dimension->index + 1, part, dimension->depth);
    else
        add_value(writer, &array->element, part, dimension->depth + 1);
}

static void add_dimension(struct writer *writer, const struct array *array, size_t index,
                          struct part part, unsigned depth)
{
    struct dimension dimension = {
        .elements = {.count = array->counts[index], .add = add_element},
        .array = array,
        .index = index,
        .part = part,
        .depth = depth,
    };
    struct encoding encoding;
    if (!writer_has_format(writer) && index + 1 == array->dimensions &&
        encoding_of_type(&array->element, &encoding))
        writer_add_char_array(writer, &encoding, part.storage, part.offset, array->counts[index]);
    else if (!stride_of(array, index, &dimension.stride))
        writer_add_problem(writer, PLACE_UNKNOWN);
    else
        writer_add_elements(writer, &dimension.elements);
}

/* "int items[]" and "int items[0]" at the end of a structure: how many there are, no type knows. */
static bool is_open(Dwarf_Die *type)
{
    Dwarf_Die die;
    uint64_t count;
    if (dwarf_child(type, &die) != 0 || dwarf_tag(&die) != DW_TAG_subrange_type)
        return false;
    return number_of(&die, DW_AT_count, &count)
               ? !count
               : !dwarf_hasattr(&die, DW_AT_count) && !dwarf_hasattr(&die, DW_AT_upper_bound);
}

static void add_array(struct writer *writer, Dwarf_Die *type, struct part part, unsigned depth)
{
    struct array array;
    struct encoding encoding;
    uint64_t address;
    Dwarf_Die element;
    if (is_open(type) && !writer->copied && address_of(part, &address) && type_of(type, &element))
        writer_add_address(writer, encoding_of_type(&element, &encoding) ? &encoding : NULL,
                           address);
    else if (describe_array(writer, type, 0, &array))
        add_dimension(writer, &array, 0, part, depth);
    else
        writer_add(writer, "<of unknown length>");
}

/* --- Structures. --- */

/* Where a member is; `moved` has room for a storage of its own. False: unknown. */
static bool find_member(struct writer *writer, Dwarf_Die *member, struct part part,
                        struct storage *moved, struct part *ret)
{
    Dwarf_Attribute attribute;
    uint64_t number, object;
    *ret = part;
    if (!dwarf_attr(member, DW_AT_data_member_location, &attribute))
        return true; /* of a union, or a bit-field */
    if (number_of(member, DW_AT_data_member_location, &number)) {
        ret->offset += number;
        return true;
    }
    /* A base class whose place the object itself tells. */
    if (!address_of(part, &object) ||
        !value_member_address(writer->frame, &attribute, object, &number))
        return false;
    storage_in_memory(moved, number);
    *ret = (struct part){.storage = moved};
    return true;
}

/* The first bit of a bit-field, from that of its part on: DW_AT_data_bit_offset, or the older
   DW_AT_bit_offset, which counts from the other end of a unit of storage (DWARF 3, 5.5.6). */
static bool first_bit(Dwarf_Die *member, Dwarf_Die *type, uint64_t bits, uint64_t *ret)
{
    uint64_t offset, size;
    if (number_of(member, DW_AT_data_bit_offset, ret))
        return true;
    if (!number_of(member, DW_AT_bit_offset, &offset)) {
        *ret = 0;
        return true;
    }
    if (!number_of(member, DW_AT_byte_size, &size) && !type_byte_size(type, &size))
        return false;
    *ret = size * 8 - offset - bits;
    return size <= sizeof(uint64_t) && offset + bits <= size * 8;
}

static void add_bit_field(struct writer *writer, Dwarf_Die *member, Dwarf_Die *type, uint64_t bits,
                          struct part part)
{
    uint8_t bytes[16] = {0};
    uint64_t first;
    if (!bits || bits > 64 || !first_bit(member, type, bits, &first)) {
        writer_add_problem(writer, PLACE_UNKNOWN);
        return;
    }
    size_t size = (size_t)((first % 8 + bits + 7) / 8);
    enum place place =
        storage_read(writer->frame, part.storage, part.offset + first / 8, bytes, size);
    if (place != PLACE_BYTES) {
        writer_add_problem(writer, place);
        return;
    }
    unsigned __int128 all;
    memcpy(&all, bytes, sizeof(all));
    unsigned unused = 64 - (unsigned)bits;
    uint64_t value = (uint64_t)(all >> first % 8) << unused;
    value = type_is_signed(type) ? (uint64_t)((int64_t)value >> unused) : value >> unused;
    writer_add_number(writer, type, value);
}

static void add_member_value(struct writer *writer, Dwarf_Die *member, struct part part,
                             unsigned depth)
{
    struct storage moved;
    struct part place;
    Dwarf_Die type, stripped;
    uint64_t bits;
    if (!type_of(member, &type) || !find_member(writer, member, part, &moved, &place))
        writer_add_problem(writer, PLACE_UNKNOWN);
    else if (number_of(member, DW_AT_bit_size, &bits) && type_strip(&type, &stripped))
        add_bit_field(writer, member, &stripped, bits, place);
    else
        add_value(writer, &type, place, depth + 1);
}

static bool is_static_member(Dwarf_Die *die)
{
    return dwarf_hasattr(die, DW_AT_external) || dwarf_hasattr(die, DW_AT_declaration);
}

static void add_base_name(struct writer *writer, Dwarf_Die *base)
{
    Dwarf_Die type;
    const char *name = type_of(base, &type) ? type_die_name(&type) : NULL;
    writer_format(writer, "<%s> = ", name ? name : "?");
}

static void add_members(struct writer *writer, Dwarf_Die *parent, struct part part, unsigned depth,
                        const char **separator);

static bool variant_matches(Dwarf_Die *variant, uint64_t value, uint64_t size)
{
    uint64_t wanted;
    unsigned unused = size < sizeof(value) ? (unsigned)(sizeof(value) - size) * 8 : 0;
    return number_of(variant, DW_AT_discr_value, &wanted) && wanted << unused == value << unused;
}

/* What a member with the tag of an enumeration of Rust holds; false: unknown. */
static bool read_discriminant(struct writer *writer, Dwarf_Die *variants, struct part part,
                              uint64_t *size, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Die member, type;
    struct storage moved;
    struct part place;
    *ret = 0;
    *size = sizeof(*ret);
    if (!dwarf_attr(variants, DW_AT_discr, &attribute))
        return true; /* there is one variant alone */
    return dwarf_formref_die(&attribute, &member) && type_of(&member, &type) &&
           type_strip(&type, &type) && type_byte_size(&type, size) && *size <= sizeof(*ret) &&
           find_member(writer, &member, part, &moved, &place) &&
           storage_read(writer->frame, place.storage, place.offset, ret, *size) == PLACE_BYTES;
}

/* The one variant that the value is (DWARF 5, 5.7.10). */
static void add_variant(struct writer *writer, Dwarf_Die *variants, struct part part,
                        unsigned depth, const char **separator)
{
    Dwarf_Die die, chosen;
    uint64_t value, size;
    bool found = false, certain = false;
    unsigned count = 0;
    if (read_discriminant(writer, variants, part, &size, &value) &&
        dwarf_child(variants, &die) == 0) {
        do {
            if (dwarf_tag(&die) != DW_TAG_variant)
                continue;
            certain = variant_matches(&die, value, size);
            /* The one without a value stands for all others. */
            if (certain || !dwarf_hasattr(&die, DW_AT_discr_value)) {
                chosen = die;
                found = true;
            }
        } while (!certain && ++count < MEMBERS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    if (found) {
        add_members(writer, &chosen, part, depth + 1, separator);
        return;
    }
    writer_add(writer, *separator);
    writer_next_line(writer);
    writer_add_problem(writer, PLACE_UNKNOWN);
    *separator = writer->nested ? "," : ", ";
}

static void add_members(struct writer *writer, Dwarf_Die *parent, struct part part, unsigned depth,
                        const char **separator)
{
    Dwarf_Die die;
    unsigned count = 0;
    if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_variant_part) {
            add_variant(writer, &die, part, depth, separator);
            continue;
        }
        if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || is_static_member(&die))
            continue;
        writer_add(writer, *separator);
        writer_next_line(writer);
        *separator = writer->nested ? "," : ", ";
        if (tag == DW_TAG_inheritance)
            add_base_name(writer, &die);
        else if (type_die_name(&die))
            writer_format(writer, "%s = ", type_die_name(&die));
        add_member_value(writer, &die, part, depth);
    } while (++count < MEMBERS_MAX && !writer->full && writer->work_left &&
             dwarf_siblingof(&die, &die) == 0);
}

static void add_structure(struct writer *writer, Dwarf_Die *type, struct part part, unsigned depth)
{
    const char *separator = "";
    if (dwarf_hasattr(type, DW_AT_declaration)) {
        writer_add(writer, "<incomplete type>");
        return;
    }
    writer_add(writer, "{");
    writer->indent++;
    add_members(writer, type, part, depth, &separator);
    writer->indent--;
    if (*separator)
        writer_next_line(writer);
    writer_add(writer, "}");
}

/* --- Everything. --- */

/* Of references within structures the address alone: they may lead anywhere. */
static void add_reference(struct writer *writer, Dwarf_Die *type, struct part part, unsigned depth)
{
    uint64_t address;
    Dwarf_Die target;
    struct storage storage;
    enum place place =
        storage_read(writer->frame, part.storage, part.offset, &address, sizeof(address));
    if (place != PLACE_BYTES) {
        writer_add_problem(writer, place);
        return;
    }
    writer_format(writer, "@0x%" PRIx64, address);
    if (depth || !type_of(type, &target))
        return;
    writer_add(writer, ": ");
    storage_in_memory(&storage, address);
    add_value(writer, &target, (struct part){.storage = &storage}, depth + 1);
}

static void add_value(struct writer *writer, const Dwarf_Die *type, struct part part,
                      unsigned depth)
{
    Dwarf_Die die;
    if (!writer->work_left)
        return;
    writer->work_left--;
    if (depth > DEPTH_MAX) {
        writer_add(writer, "{...}");
        return;
    }
    if (!type_strip(type, &die)) {
        writer_add_problem(writer, PLACE_UNKNOWN);
        return;
    }
    switch (dwarf_tag(&die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        add_structure(writer, &die, part, depth);
        return;
    case DW_TAG_array_type:
        add_array(writer, &die, part, depth);
        return;
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        add_reference(writer, &die, part, depth);
        return;
    default:
        if (!writer_add_scalar(writer, type, part.storage, part.offset))
            writer_add_problem(writer, PLACE_UNKNOWN);
    }
}

void writer_add_value(struct writer *writer, const Dwarf_Die *type, const struct storage *storage,
                      uint64_t offset)
{
    add_value(writer, type, (struct part){storage, offset}, 0);
}

void writer_init(struct writer *writer, const struct value_frame *frame, struct symbols *symbols,
                 enum value_layout layout, char *buffer, size_t size)
{
    *writer = (struct writer){.frame = frame,
                              .symbols = symbols,
                              .text = buffer,
                              .size = size - strlen(CUT),
                              .nested = layout == VALUE_NESTED,
                              .work_left = WORK_MAX};
    buffer[0] = '\0';
}

size_t writer_end(struct writer *writer)
{
    if (writer->full || !writer->work_left) {
        memcpy(writer->text + writer->used, CUT, sizeof(CUT));
        writer->used += strlen(CUT);
    }
    return writer->used;
}

size_t value_write(const struct value_frame *frame, struct symbols *symbols, Dwarf_Die *type,
                   const struct storage *storage, enum value_layout layout, char *buffer,
                   size_t size)
{
    struct writer writer;
    writer_init(&writer, frame, symbols, layout, buffer, size);
    const struct piece *piece = &storage->pieces[0];
    /* Of what is nowhere as a whole, no part needs to say so. */
    if (storage->count == 1 && piece->place != PLACE_MEMORY && piece->place != PLACE_BYTES)
        writer_add_problem(&writer, piece->place);
    else
        add_value(&writer, type, (struct part){.storage = storage}, 0);
    return writer_end(&writer);
}
