#include "src/crepl/layout_members.h"

#include "src/types.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 100000
#define BASES_DEPTH_MAX 16
#define ALIGNMENT_MAX (UINT64_C(1) << 16)
#define BITS 8

struct reading {
    struct layouts *layouts;
    struct module *module;
    struct layout *layout;
    size_t capacity;
};

static bool append(struct reading *reading, const struct layout_member *member)
{
    struct layout *layout = reading->layout;
    if (layout->count >= MEMBERS_MAX)
        return false;
    if (layout->count == reading->capacity) {
        size_t larger = reading->capacity ? 2 * reading->capacity : 16;
        struct layout_member *members = reallocarray(layout->members, larger, sizeof(*members));
        if (!members)
            return false;
        layout->members = members;
        reading->capacity = larger;
    }
    layout->members[layout->count++] = *member;
    return true;
}

/* DW_AT_data_bit_offset, or the older DW_AT_bit_offset, which counts from the other end of a unit
   of storage (DWARF 3, 5.5.6). False: no certain place. */
static bool find_bits(Dwarf_Die *die, uint64_t base, struct layout_member *member)
{
    uint64_t number, storage;
    if (layout_number(die, DW_AT_data_bit_offset, &number)) {
        if (number > LAYOUT_SIZE_MAX * BITS)
            return false;
        member->bit = base * BITS + number;
    } else if (layout_number(die, DW_AT_bit_offset, &number)) {
        if (!layout_number(die, DW_AT_byte_size, &storage))
            storage = member->size;
        if (storage > sizeof(uint64_t) || number + member->bits > storage * BITS)
            return false;
        member->bit = member->offset * BITS + storage * BITS - number - member->bits;
    } else {
        member->bit = member->offset * BITS;
    }
    member->offset = member->bit / BITS;
    return member->bits <= member->size * BITS;
}

static bool is_anonymous(Dwarf_Die *type)
{
    return layout_is_aggregate(dwarf_tag(type)) && !type_die_name(type) &&
           !dwarf_hasattr(type, DW_AT_declaration);
}

/* False: it is none, or has no certain place. */
static bool describe(struct reading *reading, Dwarf_Die *die, uint64_t base,
                     struct layout_member *ret)
{
    Dwarf_Die stripped;
    uint64_t number = 0, alignment;
    struct dimensions dimensions;
    *ret = (struct layout_member){.name = type_die_name(die)};
    if (dwarf_hasattr(die, DW_AT_external) || dwarf_hasattr(die, DW_AT_declaration) ||
        !type_of(die, &ret->type) ||
        !layouts_strip(reading->layouts, reading->module, &ret->type, &stripped) ||
        !layouts_measure(reading->layouts, reading->module, &ret->type, &ret->size, &alignment))
        return false;
    if (dwarf_hasattr(die, DW_AT_data_member_location) &&
        !layout_number(die, DW_AT_data_member_location, &number))
        return false; /* of a virtual base: the object tells */
    if (number > LAYOUT_SIZE_MAX || ret->size > LAYOUT_SIZE_MAX)
        return false;
    ret->offset = base + number;
    if (!layout_number(die, DW_AT_alignment, &ret->alignment) || ret->alignment > ALIGNMENT_MAX)
        ret->alignment = 0;
    if (layout_number(die, DW_AT_bit_size, &ret->bits) &&
        (!ret->bits || !find_bits(die, base, ret)))
        return false;
    if (ret->name && !*ret->name)
        ret->name = NULL;
    ret->anonymous = !ret->name && is_anonymous(&stripped) && !ret->bits;
    if (dwarf_tag(&stripped) == DW_TAG_array_type) {
        layout_dimensions(&stripped, &dimensions);
        ret->flexible = dimensions.open;
    }
    uint64_t end = ret->bits ? ret->bit + ret->bits : (ret->offset + ret->size) * BITS;
    return ret->offset <= reading->layout->size && end <= reading->layout->size * BITS;
}

static bool read_from(struct reading *reading, Dwarf_Die *type, uint64_t base, unsigned depth);

/* What a base class has are members of the class itself: it may use the padding at their end. */
static bool read_base(struct reading *reading, Dwarf_Die *die, uint64_t base, unsigned depth)
{
    Dwarf_Die type;
    uint64_t offset;
    if (depth > BASES_DEPTH_MAX || !layout_number(die, DW_AT_data_member_location, &offset) ||
        offset > LAYOUT_SIZE_MAX || !type_of(die, &type) ||
        !layouts_strip(reading->layouts, reading->module, &type, &type) ||
        !layout_is_aggregate(dwarf_tag(&type)))
        return true;
    return read_from(reading, &type, base + offset, depth + 1);
}

/* False: no memory, or too many. */
static bool read_from(struct reading *reading, Dwarf_Die *type, uint64_t base, unsigned depth)
{
    Dwarf_Die die;
    struct layout_member member;
    if (dwarf_child(type, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_inheritance && !read_base(reading, &die, base, depth))
            return false;
        if (tag == DW_TAG_member && describe(reading, &die, base, &member) &&
            !append(reading, &member))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

static uint64_t first_bit(const struct layout_member *member)
{
    return member->bits ? member->bit : member->offset * BITS;
}

static uint64_t end_bit(const struct layout_member *member)
{
    return member->bits ? member->bit + member->bits : (member->offset + member->size) * BITS;
}

static int compare(const void *left, const void *right)
{
    const struct layout_member *a = left, *b = right;
    uint64_t one = first_bit(a), other = first_bit(b);
    if (one != other)
        return one < other ? -1 : 1;
    /* What has no size comes before what has one at the same place. */
    return (end_bit(a) > end_bit(b)) - (end_bit(a) < end_bit(b));
}

static bool is_sorted(const struct layout *layout)
{
    for (size_t i = 1; i < layout->count; i++) {
        if (compare(&layout->members[i - 1], &layout->members[i]) > 0)
            return false;
    }
    return true;
}

static void drop_overlapping(struct layout *layout)
{
    size_t kept = 0;
    uint64_t end = 0;
    for (size_t i = 0; i < layout->count; i++) {
        struct layout_member *member = &layout->members[i];
        if (first_bit(member) < end)
            continue;
        end = end_bit(member);
        layout->members[kept++] = *member;
    }
    layout->count = kept;
}

bool layout_members_read(struct layouts *layouts, struct module *module, Dwarf_Die *type,
                         struct layout *layout)
{
    struct reading reading = {.layouts = layouts, .module = module, .layout = layout};
    if (!read_from(&reading, type, 0, 0))
        return false;
    if (layout->is_union || !layout->count)
        return true;
    /* Rust orders members anew. */
    if (!is_sorted(layout))
        qsort(layout->members, layout->count, sizeof(*layout->members), compare);
    drop_overlapping(layout);
    return true;
}
