/*
 * What a register was when a function was called: the caller's debug information says, for each
 * place of a call, what it put into the argument registers (DWARF 5, 3.4; before, the GNU extension
 * of the same form).
 */
#include "src/value_private.h"

#include "src/types.h"

#include <dwarf.h>
#include <string.h>

/* Blocks within one another, and entries looked at, beyond which DWARF must be broken. */
#define DEPTH_MAX 256
#define ENTRIES_MAX 100000
/* A function's entry, its declaration, the declaration it was inlined from, ... */
#define ORIGINS_MAX 8

static bool attribute_of_either(Dwarf_Die *die, unsigned name, unsigned gnu_name,
                                Dwarf_Attribute *ret)
{
    return dwarf_attr(die, name, ret) || dwarf_attr(die, gnu_name, ret);
}

static bool returns_to(Dwarf_Die *site, Dwarf_Addr pc)
{
    Dwarf_Attribute attribute;
    Dwarf_Addr address;
    int tag = dwarf_tag(site);
    unsigned name = tag == DW_TAG_GNU_call_site ? DW_AT_low_pc : DW_AT_call_return_pc;
    return (tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site) &&
           dwarf_attr(site, name, &attribute) && dwarf_formaddr(&attribute, &address) == 0 &&
           address == pc;
}

static bool may_hold_sites(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine;
}

/* The entry of the call that returns to an address. */
static bool find_site(Dwarf_Die *parent, Dwarf_Addr pc, unsigned depth, size_t *left,
                      Dwarf_Die *ret)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return false;
    do {
        if (!*left)
            return false;
        (*left)--;
        if (returns_to(&die, pc)) {
            *ret = die;
            return true;
        }
        if (may_hold_sites(dwarf_tag(&die)) && find_site(&die, pc, depth + 1, left, ret))
            return true;
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

static bool same_name(Dwarf_Die *a, Dwarf_Die *b, unsigned name)
{
    Dwarf_Attribute attribute;
    const char *x = dwarf_attr_integrate(a, name, &attribute) ? dwarf_formstring(&attribute) : NULL;
    const char *y = dwarf_attr_integrate(b, name, &attribute) ? dwarf_formstring(&attribute) : NULL;
    return x && y && strcmp(x, y) == 0;
}

/* True when `origin`, which a call names, is this function: it, what it completes, or, from another
   unit, a declaration of its name. */
static bool is_function(Dwarf_Die *origin, const Dwarf_Die *function)
{
    Dwarf_Die die = *function;
    Dwarf_Attribute attribute;
    for (unsigned i = 0; i < ORIGINS_MAX; i++) {
        if (die.addr == origin->addr)
            return true;
        if (!attribute_of_either(&die, DW_AT_abstract_origin, DW_AT_specification, &attribute) ||
            !dwarf_formref_die(&attribute, &die))
            break;
    }
    die = *function;
    if (!dwarf_hasattr(origin, DW_AT_declaration))
        return false;
    if (dwarf_hasattr_integrate(origin, DW_AT_linkage_name))
        return same_name(origin, &die, DW_AT_linkage_name);
    return same_name(origin, &die, DW_AT_name);
}

/*
 * True when the call is one of the frame's own function. The function called may have left the rest
 * to this one by a jump: then the registers are not what the call put there.
 */
static bool calls_function(const struct value_frame *frame, Dwarf_Die *site, unsigned nesting)
{
    Dwarf_Die function = frame->function, origin;
    Dwarf_Attribute attribute;
    if (attribute_of_either(site, DW_AT_call_origin, DW_AT_abstract_origin, &attribute))
        return dwarf_formref_die(&attribute, &origin) && is_function(&origin, &function);

    struct expression expression;
    uint64_t target;
    Dwarf_Addr start;
    return attribute_of_either(site, DW_AT_call_target, DW_AT_GNU_call_site_target, &attribute) &&
           expression_find(&attribute, frame->caller->lookup_pc, &expression) &&
           expression_number(frame->caller, &expression, NULL, nesting, &target) == PLACE_BYTES &&
           dwarf_entrypc(&function, &start) == 0 && target == start + frame->bias;
}

static bool is_parameter_in(Dwarf_Die *die, uint64_t number)
{
    Dwarf_Attribute attribute;
    struct expression expression = {.attribute = &attribute};
    uint64_t found;
    int tag = dwarf_tag(die);
    return (tag == DW_TAG_call_site_parameter || tag == DW_TAG_GNU_call_site_parameter) &&
           dwarf_attr(die, DW_AT_location, &attribute) &&
           dwarf_getlocation(&attribute, &expression.ops, &expression.count) == 0 &&
           expression_is_register(&expression, &found) && found == number;
}

static enum place evaluate_parameter(const struct value_frame *caller, Dwarf_Die *parameter,
                                     unsigned nesting, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    struct expression expression;
    if (!attribute_of_either(parameter, DW_AT_call_value, DW_AT_GNU_call_site_value, &attribute) ||
        !expression_find(&attribute, caller->lookup_pc, &expression))
        return PLACE_OPTIMIZED_OUT;
    return expression_number(caller, &expression, NULL, nesting, ret);
}

enum place value_entry_register(const struct value_frame *frame, uint64_t number, unsigned nesting,
                                uint64_t *ret)
{
    const struct value_frame *caller = frame->caller;
    Dwarf_Die function, site, die;
    size_t left = ENTRIES_MAX;
    if (nesting > NESTING_MAX || !frame->has_function || !caller || !caller->is_caller ||
        !caller->has_function)
        return PLACE_OPTIMIZED_OUT;
    function = caller->function;
    if (!find_site(&function, caller->pc, 0, &left, &site) ||
        !calls_function(frame, &site, nesting + 1) || dwarf_child(&site, &die) != 0)
        return PLACE_OPTIMIZED_OUT;
    do {
        if (is_parameter_in(&die, number))
            return evaluate_parameter(caller, &die, nesting + 1, ret);
    } while (left-- && dwarf_siblingof(&die, &die) == 0);
    return PLACE_OPTIMIZED_OUT;
}
