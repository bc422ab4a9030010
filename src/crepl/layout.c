#include "src/crepl/layout.h"

#include "src/crepl/layout_members.h"
#include "src/types.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define CHAIN_MAX 64
#define DEPTH_MAX 64
/* The largest alignment that a type has without asking for one (x86-64 ABI 3.1.2). */
#define NATURAL_MAX 16
#define ALIGNMENT_MAX (UINT64_C(1) << 16)
#define BITS 8

struct known {
    const void *die; /* where it is: the key */
    struct layout layout;
    bool failed; /* or being made: what holds itself has no layout */
    UT_hash_handle hh;
};

struct layouts {
    struct names *names;
    struct known *known;
    unsigned depth;
};

struct layouts *layouts_create(struct names *names)
{
    struct layouts *layouts = calloc(1, sizeof(*layouts));
    if (layouts)
        layouts->names = names;
    return layouts;
}

void layouts_destroy(struct layouts *layouts)
{
    struct known *known, *next;
    if (!layouts)
        return;
    HASH_ITER(hh, layouts->known, known, next)
    {
        HASH_DEL(layouts->known, known);
        free(known->layout.members);
        free(known);
    }
    free(layouts);
}

/* --- Types as they stand. --- */

bool layout_number(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Sword signed_number;
    if (!dwarf_attr(die, name, &attribute))
        return false;
    if (dwarf_formudata(&attribute, &number) == 0) {
        *ret = number;
        return true;
    }
    if (dwarf_formsdata(&attribute, &signed_number) == 0) {
        *ret = (uint64_t)signed_number;
        return true;
    }
    return false;
}

bool layout_is_aggregate(int tag)
{
    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static bool is_wrapper(int tag)
{
    switch (tag) {
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
    case DW_TAG_shared_type:
    case DW_TAG_packed_type:
        return true;
    default:
        return false;
    }
}

/* From a declaration to the definition, where there is one. */
static void complete(struct layouts *layouts, struct module *module, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die other;
    if (dwarf_attr(die, DW_AT_signature, &attribute) && dwarf_formref_die(&attribute, &other))
        *die = other;
    if (dwarf_hasattr(die, DW_AT_declaration) &&
        (layout_is_aggregate(dwarf_tag(die)) || dwarf_tag(die) == DW_TAG_enumeration_type) &&
        names_find_definition(layouts->names, module, die, &other))
        *die = other;
}

bool layouts_strip(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                   Dwarf_Die *ret)
{
    Dwarf_Die die = *type;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        if (!is_wrapper(dwarf_tag(&die))) {
            complete(layouts, module, &die);
            *ret = die;
            return true;
        }
        if (!type_of(&die, &die))
            return false;
    }
    return false;
}

/* One dimension: DW_AT_count, or DW_AT_upper_bound, of which -1 is no element at all. */
static void add_dimension(Dwarf_Die *range, struct dimensions *ret)
{
    uint64_t number;
    bool is_count = layout_number(range, DW_AT_count, &number);
    bool first = !ret->count && !ret->open;
    if (is_count || layout_number(range, DW_AT_upper_bound, &number)) {
        if (ret->count < DIMENSIONS_MAX)
            ret->lengths[ret->count++] = is_count ? number : number + 1;
    } else if (dwarf_hasattr(range, DW_AT_count) || dwarf_hasattr(range, DW_AT_upper_bound) ||
               !first) {
        ret->variable = true;
    } else {
        ret->open = true;
    }
}

void layout_dimensions(Dwarf_Die *array, struct dimensions *ret)
{
    Dwarf_Die die;
    unsigned count = 0;
    *ret = (struct dimensions){0};
    if (dwarf_child(array, &die) == 0) {
        do {
            if (dwarf_tag(&die) == DW_TAG_subrange_type)
                add_dimension(&die, ret);
        } while (++count < DIMENSIONS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    if (!ret->count && !ret->variable)
        ret->open = true;
}

static bool is_power_of_two(uint64_t number)
{
    return number && number <= ALIGNMENT_MAX && !(number & (number - 1));
}

/* What is asked for by typedefs on the way to the type itself. */
static uint64_t wanted_alignment(const Dwarf_Die *type)
{
    Dwarf_Die die = *type;
    uint64_t alignment = 0, number;
    for (unsigned i = 0; i < CHAIN_MAX && is_wrapper(dwarf_tag(&die)); i++) {
        if (!alignment && layout_number(&die, DW_AT_alignment, &number) && is_power_of_two(number))
            alignment = number;
        if (!type_of(&die, &die))
            break;
    }
    return alignment;
}

/* --- Measures. --- */

static uint64_t natural(uint64_t size)
{
    uint64_t alignment = 1;
    while (alignment < size && alignment < NATURAL_MAX)
        alignment *= 2;
    return alignment;
}

static bool measure_base(Dwarf_Die *die, uint64_t *size, uint64_t *alignment)
{
    uint64_t encoding = 0;
    if (!type_byte_size(die, size))
        return false;
    (void)layout_number(die, DW_AT_encoding, &encoding);
    /* Two numbers of half the size. */
    *alignment = natural(encoding == DW_ATE_complex_float ? *size / 2 : *size);
    return true;
}

static bool measure_array(struct layouts *layouts, struct module *module, Dwarf_Die *die,
                          uint64_t *size, uint64_t *alignment)
{
    Dwarf_Die element;
    struct dimensions dimensions;
    layout_dimensions(die, &dimensions);
    if (dimensions.variable || !type_of(die, &element) ||
        !layouts_measure(layouts, module, &element, size, alignment))
        return false;
    for (size_t i = 0; i < dimensions.count; i++) {
        if (__builtin_mul_overflow(*size, dimensions.lengths[i], size))
            return false;
    }
    if (dimensions.open)
        *size = 0;
    if (dwarf_hasattr(die, DW_AT_GNU_vector) && is_power_of_two(*size))
        *alignment = *size;
    return true;
}

bool layouts_measure(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                     uint64_t *size, uint64_t *alignment)
{
    Dwarf_Die die;
    const struct layout *layout;
    bool known = false;
    if (layouts->depth > DEPTH_MAX || !layouts_strip(layouts, module, type, &die))
        return false;
    layouts->depth++;
    switch (dwarf_tag(&die)) {
    case DW_TAG_array_type:
        known = measure_array(layouts, module, &die, size, alignment);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        layout = layouts_get(layouts, module, &die);
        known = layout != NULL;
        if (known) {
            *size = layout->size;
            *alignment = layout->alignment;
        }
        break;
    case DW_TAG_unspecified_type: /* of nullptr */
        *size = *alignment = sizeof(uint64_t);
        known = true;
        break;
    case DW_TAG_ptr_to_member_type:
        known = type_byte_size(&die, size);
        if (!known)
            *size = sizeof(uint64_t);
        *alignment = sizeof(uint64_t);
        known = true;
        break;
    case DW_TAG_subroutine_type:
        break;
    default:
        known = measure_base(&die, size, alignment);
        break;
    }
    layouts->depth--;
    return known;
}

/* --- By the rules. --- */

static uint64_t round_up(uint64_t number, uint64_t to)
{
    uint64_t rest = number % to;
    return rest ? number + (to - rest) : number;
}

/* The place in bits where the rules put a member after `at`; 0 bits behind it for a union. */
static uint64_t place_by_rules(const struct layout_member *member, uint64_t at, uint64_t alignment)
{
    if (!member->bits)
        return round_up(at, alignment * BITS);
    uint64_t unit = member->size * BITS;
    if (unit && at / unit != (at + member->bits - 1) / unit)
        return round_up(at, alignment * BITS);
    return at;
}

/* Bits without a name may stand before a bit-field: the caller writes them. */
static bool is_where_expected(const struct layout_member *member, uint64_t expected)
{
    uint64_t unit = member->size * BITS;
    if (!member->bits)
        return member->offset * BITS == expected;
    return member->bit == expected ||
           (member->bit > expected && unit &&
            member->bit / unit == (member->bit + member->bits - 1) / unit);
}

/* The alignment of what is laid out by the rules alone; false: they lead elsewhere. */
static bool follow_rules(struct layouts *layouts, struct module *module, struct layout *layout,
                         uint64_t wanted)
{
    uint64_t at = 0, end = 0, all = wanted ? wanted : 1;
    for (size_t i = 0; i < layout->count; i++) {
        struct layout_member *member = &layout->members[i];
        uint64_t size, alignment;
        if (!layouts_measure(layouts, module, &member->type, &size, &alignment))
            return false;
        if (member->alignment > alignment)
            alignment = member->alignment;
        else
            member->alignment = 0;
        uint64_t start = layout->is_union ? 0 : place_by_rules(member, at, alignment);
        if (!is_where_expected(member, start))
            return false;
        member->fill = member->bits && member->bit != start;
        at = member->bits ? member->bit + member->bits : (member->offset + size) * BITS;
        if (at > end)
            end = at;
        if (alignment > all)
            all = alignment;
    }
    layout->alignment = all;
    return round_up(round_up(end, BITS) / BITS, all) == layout->size;
}

/* True when each member begins where the one before ends, down to the bit: __packed__. */
static bool is_dense(const struct layout *layout)
{
    uint64_t at = 0;
    for (size_t i = 0; i < layout->count; i++) {
        const struct layout_member *member = &layout->members[i];
        uint64_t bit = member->bits ? member->bit : member->offset * BITS;
        if (!layout->is_union && bit >= at + BITS)
            return false;
        at = bit + (member->bits ? member->bits : member->size * BITS);
    }
    return true;
}

/* For what the rules do not make: nothing is assumed but what the offsets themselves allow. */
static void write_out(struct layouts *layouts, struct module *module, struct layout *layout,
                      uint64_t wanted)
{
    uint64_t all = 1;
    for (size_t i = 0; i < layout->count && !is_dense(layout); i++) {
        uint64_t size, alignment;
        if (layouts_measure(layouts, module, &layout->members[i].type, &size, &alignment) &&
            alignment > all)
            all = alignment;
    }
    if (wanted)
        all = wanted;
    while (all > 1 && layout->size % all)
        all /= 2;
    for (size_t i = 0; i < layout->count; i++)
        layout->members[i].alignment = 0;
    for (size_t i = 0; i < layout->count; i++)
        layout->members[i].fill = !layout->is_union;
    layout->packed = true;
    layout->alignment = all;
    layout->aligned = all > 1;
}

static bool make(struct layouts *layouts, struct module *module, Dwarf_Die *type,
                 struct layout *layout)
{
    uint64_t wanted = 0;
    if (dwarf_hasattr(type, DW_AT_declaration) || !type_byte_size(type, &layout->size) ||
        layout->size > LAYOUT_SIZE_MAX)
        return false;
    layout->is_union = dwarf_tag(type) == DW_TAG_union_type;
    if (!layout_members_read(layouts, module, type, layout))
        return false;
    for (size_t i = 0; i < layout->count; i++)
        layout->members[i].alignment = layout->members[i].alignment
                                           ? layout->members[i].alignment
                                           : wanted_alignment(&layout->members[i].type);
    if (!layout_number(type, DW_AT_alignment, &wanted) || !is_power_of_two(wanted))
        wanted = 0;
    if (follow_rules(layouts, module, layout, wanted))
        layout->aligned = wanted > 0;
    else
        write_out(layouts, module, layout, wanted);
    return true;
}

const struct layout *layouts_get(struct layouts *layouts, struct module *module, Dwarf_Die *type)
{
    struct known *known;
    const void *key = type->addr;
    HASH_FIND_PTR(layouts->known, &key, known);
    if (known)
        return known->failed ? NULL : &known->layout;
    known = calloc(1, sizeof(*known));
    if (!known)
        return NULL;
    known->die = key;
    known->failed = true;
    HASH_ADD_PTR(layouts->known, die, known);
    if (!known->hh.tbl) {
        free(known);
        return NULL;
    }
    known->failed = !make(layouts, module, type, &known->layout);
    return known->failed ? NULL : &known->layout;
}
