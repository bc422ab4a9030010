#include "src/crepl/by_value.h"

#include "src/crepl/base_types.h"
#include "src/types.h"

#include <dwarf.h>
#include <string.h>

#define HALF 8
#define IN_REGISTERS_MAX 16
#define DEPTH_MAX 16
#define ELEMENTS_MAX 16
#define PARAMETERS_MAX 256

/* What the members in a half ask for. */
enum half { HALF_EMPTY, HALF_FLOATING, HALF_INTEGER };

struct halves {
    struct layouts *layouts;
    struct module *module;
    enum half half[2];
    const char *refused;
};

static const char object[] = "is an object that C cannot copy";
static const char unknown_type[] = "is a type that libtcc does not know";
static const char unknown_member[] = "has members of a type that libtcc does not know";

static void join(struct halves *halves, uint64_t offset, enum half half)
{
    if (offset >= IN_REGISTERS_MAX)
        halves->refused = unknown_member;
    else if (halves->half[offset / HALF] < half)
        halves->half[offset / HALF] = half;
}

static void add_scalar(struct halves *halves, Dwarf_Die *die, uint64_t offset)
{
    uint64_t size, alignment, encoding = 0;
    (void)layout_number(die, DW_AT_encoding, &encoding);
    if (!layouts_measure(halves->layouts, halves->module, die, &size, &alignment) || size > HALF ||
        (dwarf_tag(die) == DW_TAG_base_type && !base_type_text(die)))
        halves->refused = unknown_member;
    else if (offset % alignment)
        halves->refused = "has members at odd addresses";
    else
        join(halves, offset, encoding == DW_ATE_float ? HALF_FLOATING : HALF_INTEGER);
}

static void add_type(struct halves *halves, const Dwarf_Die *type, uint64_t offset, unsigned depth);

static void add_aggregate(struct halves *halves, Dwarf_Die *die, uint64_t offset, unsigned depth)
{
    const struct layout *layout = layouts_get(halves->layouts, halves->module, die);
    if (!layout) {
        halves->refused = "has a layout that is not known";
        return;
    }
    for (size_t i = 0; i < layout->count && !halves->refused; i++) {
        const struct layout_member *member = &layout->members[i];
        if (member->bits) {
            join(halves, offset + member->bit / 8, HALF_INTEGER);
            join(halves, offset + (member->bit + member->bits - 1) / 8, HALF_INTEGER);
        } else {
            add_type(halves, &member->type, offset + member->offset, depth + 1);
        }
    }
}

static void add_array(struct halves *halves, Dwarf_Die *die, uint64_t offset, unsigned depth)
{
    Dwarf_Die element;
    struct dimensions dimensions;
    uint64_t size, alignment, count = 1;
    layout_dimensions(die, &dimensions);
    if (dimensions.open)
        return;
    if (dwarf_hasattr(die, DW_AT_GNU_vector) || !type_of(die, &element) ||
        !layouts_measure(halves->layouts, halves->module, &element, &size, &alignment)) {
        halves->refused = unknown_member;
        return;
    }
    for (size_t i = 0; i < dimensions.count; i++)
        count *= dimensions.lengths[i];
    for (uint64_t i = 0; i < count && i < ELEMENTS_MAX && !halves->refused; i++)
        add_type(halves, &element, offset + i * size, depth + 1);
}

static void add_type(struct halves *halves, const Dwarf_Die *type, uint64_t offset, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || !layouts_strip(halves->layouts, halves->module, type, &die)) {
        halves->refused = unknown_member;
        return;
    }
    switch (dwarf_tag(&die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        add_aggregate(halves, &die, offset, depth);
        return;
    case DW_TAG_array_type:
        add_array(halves, &die, offset, depth);
        return;
    default:
        add_scalar(halves, &die, offset);
    }
}

/* --- Objects of C++. --- */

/* "std::string" of "basic_string<char, ...>" is called basic_string by its constructors. */
static bool is_constructor(const char *function, const char *class)
{
    size_t length = class ? strcspn(class, "<") : 0;
    return length && strncmp(function, class, length) == 0 &&
           (!function[length] || function[length] == '<');
}

/* A second parameter that is a reference: the object to copy or move. */
static bool takes_reference(Dwarf_Die *function)
{
    Dwarf_Die die, type;
    unsigned count = 0;
    if (dwarf_child(function, &die) != 0)
        return false;
    do {
        if (dwarf_tag(&die) == DW_TAG_formal_parameter && ++count == 2)
            return type_of(&die, &type) && (dwarf_tag(&type) == DW_TAG_reference_type ||
                                            dwarf_tag(&type) == DW_TAG_rvalue_reference_type);
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

/*
 * With a destructor, a constructor that copies or moves, or virtual functions, of its own or of a
 * part (Itanium C++ ABI 3.1.2.3: such objects go by reference). More may be refused than must.
 */
static bool is_object(struct layouts *layouts, struct module *module, Dwarf_Die *class,
                      unsigned depth)
{
    Dwarf_Die die, type;
    const char *class_name = type_die_name(class);
    if (depth > DEPTH_MAX || dwarf_child(class, &die) != 0)
        return false;
    do {
        const char *name = type_die_name(&die);
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram && name &&
            (*name == '~' || dwarf_hasattr(&die, DW_AT_virtuality) ||
             (is_constructor(name, class_name) && takes_reference(&die))))
            return true;
        if ((tag == DW_TAG_member || tag == DW_TAG_inheritance) && type_of(&die, &type) &&
            layouts_strip(layouts, module, &type, &type) && layout_is_aggregate(dwarf_tag(&type)) &&
            !dwarf_hasattr(&die, DW_AT_external) && is_object(layouts, module, &type, depth + 1))
            return true;
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

static const char *aggregate_refused(struct layouts *layouts, struct module *module, Dwarf_Die *die,
                                     bool mixed_too)
{
    struct halves halves = {.layouts = layouts, .module = module};
    uint64_t size, alignment, convention;
    /* DWARF 5, 5.7.1: an object with a copy constructor or a destructor. */
    if (layout_number(die, DW_AT_calling_convention, &convention) &&
        convention == DW_CC_pass_by_reference)
        return object;
    if (is_object(layouts, module, die, 0))
        return object;
    if (!layouts_measure(layouts, module, die, &size, &alignment))
        return "has a layout that is not known";
    if (size > IN_REGISTERS_MAX)
        return NULL;
    add_aggregate(&halves, die, 0, 0);
    if (halves.refused)
        return halves.refused;
    if (halves.half[0] == HALF_EMPTY || (size > HALF && halves.half[1] == HALF_EMPTY))
        return "has halves without members";
    if (size > HALF && halves.half[0] != halves.half[1] && !mixed_too)
        return "mixes integer and floating members";
    return NULL;
}

static const char *value_refused(struct layouts *layouts, struct module *module,
                                 const Dwarf_Die *type, bool mixed_too)
{
    Dwarf_Die die;
    if (!layouts_strip(layouts, module, type, &die))
        return NULL; /* void */
    int tag = dwarf_tag(&die);
    if (layout_is_aggregate(tag))
        return aggregate_refused(layouts, module, &die, mixed_too);
    if (tag == DW_TAG_array_type && dwarf_hasattr(&die, DW_AT_GNU_vector))
        return "is a vector";
    if (tag == DW_TAG_ptr_to_member_type)
        return "is a pointer to a member";
    return tag == DW_TAG_base_type && !base_type_text(&die) ? unknown_type : NULL;
}

/* Structures that functions of Rust pass go by no rules that anybody promised. */
static const char *passed_refused(struct layouts *layouts, struct module *module,
                                  Dwarf_Die *function, const Dwarf_Die *type, bool mixed_too)
{
    Dwarf_Die unit, die;
    if (dwarf_diecu(function, &unit, NULL, NULL) && dwarf_srclang(&unit) == DW_LANG_Rust &&
        layouts_strip(layouts, module, type, &die) && layout_is_aggregate(dwarf_tag(&die)))
        return "Rust passes by rules of its own";
    return value_refused(layouts, module, type, mixed_too);
}

const char *by_value_call_refused(struct layouts *layouts, struct module *module,
                                  Dwarf_Die *function, bool mixed_too, Dwarf_Die *ret)
{
    Dwarf_Die die, type;
    unsigned count = 0;
    const char *refused = NULL;
    if (type_of(function, &type) &&
        (refused = passed_refused(layouts, module, function, &type, mixed_too))) {
        *ret = type;
        return refused;
    }
    if (dwarf_child(function, &die) != 0)
        return NULL;
    do {
        if (dwarf_tag(&die) == DW_TAG_formal_parameter && type_of(&die, &type) &&
            (refused = passed_refused(layouts, module, function, &type, mixed_too)))
            *ret = type;
    } while (!refused && ++count < PARAMETERS_MAX && dwarf_siblingof(&die, &die) == 0);
    return refused;
}
