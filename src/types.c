#include "src/types.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

/* Typedefs and qualifiers around one type; types within one another in a name. */
#define CHAIN_MAX 64
#define NAME_DEPTH_MAX 16
#define PARAMETERS_MAX 32
#define DIMENSIONS_MAX 16

bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, ret);
}

static const char *qualifier(int tag)
{
    switch (tag) {
    case DW_TAG_const_type:
        return "const";
    case DW_TAG_volatile_type:
        return "volatile";
    case DW_TAG_restrict_type:
        return "restrict";
    case DW_TAG_atomic_type:
        return "_Atomic";
    default:
        return NULL;
    }
}

bool type_strip(const Dwarf_Die *type, Dwarf_Die *ret)
{
    Dwarf_Die die = *type;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        int tag = dwarf_tag(&die);
        if (tag != DW_TAG_typedef && !qualifier(tag)) {
            *ret = die;
            return true;
        }
        if (!type_of(&die, &die))
            return false;
    }
    return false;
}

bool type_byte_size(Dwarf_Die *type, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Word size;
    if (dwarf_attr(type, DW_AT_byte_size, &attribute) && dwarf_formudata(&attribute, &size) == 0) {
        *ret = size;
        return true;
    }
    switch (dwarf_tag(type)) {
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        *ret = sizeof(uint64_t);
        return true;
    default:
        return false;
    }
}

static unsigned encoding(Dwarf_Die *type)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (dwarf_tag(type) != DW_TAG_base_type || !dwarf_attr(type, DW_AT_encoding, &attribute) ||
        dwarf_formudata(&attribute, &value) != 0)
        return 0;
    return (unsigned)value;
}

bool type_is_integer(Dwarf_Die *type)
{
    switch (dwarf_tag(type)) {
    case DW_TAG_base_type:
        switch (encoding(type)) {
        case DW_ATE_address:
        case DW_ATE_boolean:
        case DW_ATE_signed:
        case DW_ATE_signed_char:
        case DW_ATE_unsigned:
        case DW_ATE_unsigned_char:
        case DW_ATE_UTF:
            return true;
        default:
            return false;
        }
    case DW_TAG_enumeration_type:
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return true;
    default:
        return false;
    }
}

bool type_is_signed(Dwarf_Die *type)
{
    Dwarf_Die die = *type;
    /* Of an enumeration the type of its numbers says it, where there is one. */
    if (dwarf_tag(&die) == DW_TAG_enumeration_type &&
        (!type_of(&die, &die) || !type_strip(&die, &die)))
        return false;
    unsigned value = encoding(&die);
    return value == DW_ATE_signed || value == DW_ATE_signed_char;
}

bool type_is_char(Dwarf_Die *type)
{
    unsigned value = encoding(type);
    uint64_t size;
    return (value == DW_ATE_signed_char || value == DW_ATE_unsigned_char || value == DW_ATE_UTF) &&
           type_byte_size(type, &size) && size == 1;
}

const char *type_die_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, DW_AT_name, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

/* --- Names. --- */

struct text {
    char *buffer;
    size_t size, used;
};

static void add(struct text *text, const char *word)
{
    size_t left = text->size - text->used, length = strlen(word);
    if (length >= left)
        length = left - 1;
    memcpy(text->buffer + text->used, word, length);
    text->used += length;
    text->buffer[text->used] = '\0';
}

/* Before a mark: "char *", but "char **". */
static void add_space(struct text *text)
{
    if (text->used && text->buffer[text->used - 1] != '*')
        add(text, " ");
}

/* Before or in place of a name: "char *name", "Item &item", "int name". */
static void add_declared(struct text *text, const char *name)
{
    if (text->used && !strchr("*&( ", text->buffer[text->used - 1]))
        add(text, " ");
    add(text, name);
}

/* What stands to the left of a declared name and what to its right, as in C. */
static void add_left(struct text *text, const Dwarf_Die *type, unsigned depth);
static void add_right(struct text *text, const Dwarf_Die *type, unsigned depth);

static bool has_right_side(const Dwarf_Die *type)
{
    Dwarf_Die die = *type;
    int tag = dwarf_tag(&die);
    return tag == DW_TAG_array_type || tag == DW_TAG_subroutine_type;
}

static void add_tagged(struct text *text, Dwarf_Die *die, const char *keyword)
{
    Dwarf_Die unit;
    const char *name = type_die_name(die);
    bool in_c = false;
    if (dwarf_diecu(die, &unit, NULL, NULL)) {
        int language = dwarf_srclang(&unit);
        in_c = language == DW_LANG_C || language == DW_LANG_C89 || language == DW_LANG_C99 ||
               language == DW_LANG_C11;
    }
    /* Only C repeats the word. */
    if (in_c || !name) {
        add(text, keyword);
        add(text, " ");
    }
    add(text, name ? name : "{...}");
}

static void add_pointer(struct text *text, Dwarf_Die *die, const char *mark, unsigned depth)
{
    Dwarf_Die target;
    if (!type_of(die, &target)) {
        add(text, "void ");
        add(text, mark);
        return;
    }
    add_left(text, &target, depth + 1);
    if (has_right_side(&target))
        add(text, "(");
    else
        add_space(text);
    add(text, mark);
}

/* A constant array is one of constant elements, and both may be told. */
static bool is_repeated(Dwarf_Die *die, Dwarf_Die *target)
{
    Dwarf_Die element;
    return dwarf_tag(target) == DW_TAG_array_type && type_of(target, &element) &&
           dwarf_tag(&element) == dwarf_tag(die);
}

static void add_qualified(struct text *text, Dwarf_Die *die, const char *word, unsigned depth)
{
    Dwarf_Die target;
    if (!type_of(die, &target)) {
        add(text, word);
        add(text, " void");
        return;
    }
    /* "char *const", but "const char". */
    bool behind = dwarf_tag(&target) == DW_TAG_pointer_type;
    if (!behind && !is_repeated(die, &target)) {
        add(text, word);
        add(text, " ");
    }
    add_left(text, &target, depth + 1);
    if (behind)
        add(text, word);
}

static void add_left(struct text *text, const Dwarf_Die *type, unsigned depth)
{
    Dwarf_Die die = *type, target;
    int tag = dwarf_tag(&die);
    if (depth > NAME_DEPTH_MAX) {
        add(text, "...");
        return;
    }
    switch (tag) {
    case DW_TAG_pointer_type:
        add_pointer(text, &die, "*", depth);
        return;
    case DW_TAG_reference_type:
        add_pointer(text, &die, "&", depth);
        return;
    case DW_TAG_rvalue_reference_type:
        add_pointer(text, &die, "&&", depth);
        return;
    case DW_TAG_structure_type:
        add_tagged(text, &die, "struct");
        return;
    case DW_TAG_union_type:
        add_tagged(text, &die, "union");
        return;
    case DW_TAG_class_type:
        add_tagged(text, &die, "class");
        return;
    case DW_TAG_enumeration_type:
        add_tagged(text, &die, "enum");
        return;
    case DW_TAG_array_type:
    case DW_TAG_subroutine_type:
        if (type_of(&die, &target))
            add_left(text, &target, depth + 1);
        else
            add(text, "void");
        add_space(text);
        return;
    default:
        if (qualifier(tag))
            add_qualified(text, &die, qualifier(tag), depth);
        else
            add(text, type_die_name(&die) ? type_die_name(&die) : "?");
    }
}

/* `named`: with the names that they have. */
static void add_parameters(struct text *text, Dwarf_Die *function, unsigned depth, bool named)
{
    Dwarf_Die die, type;
    unsigned count = 0;
    add(text, "(");
    if (dwarf_child(function, &die) == 0) {
        do {
            int tag = dwarf_tag(&die);
            if (tag != DW_TAG_formal_parameter && tag != DW_TAG_unspecified_parameters)
                continue;
            if (count++)
                add(text, ", ");
            if (tag == DW_TAG_unspecified_parameters || count > PARAMETERS_MAX) {
                add(text, "...");
                break;
            }
            if (type_of(&die, &type)) {
                add_left(text, &type, depth + 1);
                if (named && type_die_name(&die))
                    add_declared(text, type_die_name(&die));
                add_right(text, &type, depth + 1);
            }
        } while (dwarf_siblingof(&die, &die) == 0);
    }
    add(text, count || !dwarf_hasattr(function, DW_AT_prototyped) ? ")" : "void)");
}

static void add_dimensions(struct text *text, Dwarf_Die *array)
{
    Dwarf_Die die;
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    unsigned count = 0;
    if (dwarf_child(array, &die) != 0)
        return;
    do {
        char word[32] = "[]";
        bool is_count = dwarf_attr(&die, DW_AT_count, &attribute);
        bool known = (is_count || dwarf_attr(&die, DW_AT_upper_bound, &attribute)) &&
                     dwarf_formudata(&attribute, &number) == 0;
        if (known)
            snprintf(word, sizeof(word), "[%ju]", (uintmax_t)(number + !is_count));
        add(text, word);
    } while (++count < DIMENSIONS_MAX && dwarf_siblingof(&die, &die) == 0);
}

static void add_right(struct text *text, const Dwarf_Die *type, unsigned depth)
{
    Dwarf_Die die = *type, target;
    int tag = dwarf_tag(&die);
    bool points = tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
                  tag == DW_TAG_rvalue_reference_type;
    bool passes =
        points || tag == DW_TAG_array_type || tag == DW_TAG_subroutine_type || qualifier(tag);
    if (depth > NAME_DEPTH_MAX || !passes)
        return;
    if (tag == DW_TAG_array_type)
        add_dimensions(text, &die);
    else if (tag == DW_TAG_subroutine_type)
        add_parameters(text, &die, depth, false);
    if (!type_of(&die, &target))
        return;
    if (points && has_right_side(&target))
        add(text, ")");
    add_right(text, &target, depth + 1);
}

void type_write_name(Dwarf_Die *type, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    buffer[0] = '\0';
    add_left(&text, type, 0);
    add_right(&text, type, 0);
    while (text.used && text.buffer[text.used - 1] == ' ')
        text.buffer[--text.used] = '\0';
}

void type_write_declaration(Dwarf_Die *type, const char *name, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    buffer[0] = '\0';
    add_left(&text, type, 0);
    add_declared(&text, name);
    add_right(&text, type, 0);
}

void type_write_function(Dwarf_Die *function, const char *name, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    Dwarf_Die result;
    bool returns = type_of(function, &result);
    buffer[0] = '\0';
    if (returns)
        add_left(&text, &result, 0);
    else
        add(&text, "void");
    add_declared(&text, name);
    add_parameters(&text, function, 0, true);
    if (returns)
        add_right(&text, &result, 0);
}
