#include "src/variables.h"

#include "src/types.h"
#include "src/values.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one function: more than anybody reads. */
#define VARIABLES_MAX 1000
/* Blocks within one another, and entries of one function, beyond which DWARF must be broken. */
#define DEPTH_MAX 256
#define ENTRIES_MAX 100000
#define TYPE_NAME_MAX 256

struct reading {
    const struct value_frame *frame;
    struct symbols *symbols;
    bool inlined;
    size_t entries_left;
    struct frame_variables *result;
    size_t capacity;
};

void variables_destroy(struct frame_variables *variables)
{
    if (!variables)
        return;
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->variables[i].name);
        free(variables->variables[i].type);
        free(variables->variables[i].value);
    }
    free(variables->variables);
    free(variables);
}

void variables_mark_live(struct frame_variables *variables)
{
    for (size_t i = 0; variables && i < variables->count; i++)
        variables->variables[i].live = true;
}

static int compare_texts(const struct variable *a, const struct variable *b)
{
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->value, b->value);
}

int variables_compare(const struct frame_variables *a, const struct frame_variables *b)
{
    size_t count = a ? a->count : 0, other = b ? b->count : 0;
    if (count != other)
        return count < other ? -1 : 1;
    for (size_t i = 0; i < count; i++) {
        const struct variable *x = &a->variables[i], *y = &b->variables[i];
        int order = compare_texts(x, y);
        if (!order)
            order = x->live - y->live;
        if (order)
            return order;
    }
    return 0;
}

/* --- One variable. --- */

static struct error *append(struct reading *reading, const char *name, const char *suffix,
                            const char *type, const char *value, bool argument)
{
    struct frame_variables *result = reading->result;
    if (result->count == reading->capacity) {
        size_t larger = reading->capacity ? reading->capacity * 2 : 8;
        struct variable *variables = reallocarray(result->variables, larger, sizeof(*variables));
        if (!variables)
            return error_no_memory();
        result->variables = variables;
        reading->capacity = larger;
    }
    struct variable variable = {.type = strdup(type),
                                .value = strdup(value),
                                .argument = argument,
                                .live = reading->frame->thread->live};
    if (asprintf(&variable.name, "%s%s", name, suffix) < 0)
        variable.name = NULL;
    result->variables[result->count++] = variable;
    if (variable.name && variable.type && variable.value)
        return NULL;
    free(variable.name);
    free(variable.type);
    free(variable.value);
    result->count--;
    return error_no_memory();
}

/* What the argument was at the call, where that is known and another text than `now`. */
static struct error *append_entry_value(struct reading *reading, Dwarf_Die *die, const char *name,
                                        Dwarf_Die *type, const char *type_name, const char *now)
{
    struct storage storage;
    char value[VALUE_TEXT_MAX];
    value_begin(reading->frame->thread);
    if (!value_locate_at_entry(reading->frame, die, &storage))
        return NULL;
    value_write(reading->frame, reading->symbols, type, &storage, VALUE_ON_ONE_LINE, value,
                sizeof(value));
    if (value[0] == '<' || strcmp(value, now) == 0)
        return NULL;
    return append(reading, name, "@entry", type_name, value, true);
}

/* `exists`: false for what the compiler left no trace of but the declaration. */
static struct error *read_variable(struct reading *reading, Dwarf_Die *die, bool argument,
                                   bool exists)
{
    struct storage storage;
    Dwarf_Die type;
    char value[VALUE_TEXT_MAX], type_name[TYPE_NAME_MAX];
    const char *name = type_die_name(die);
    /* Declarations of what is elsewhere, and what the compiler made for itself. */
    if (!name || dwarf_hasattr(die, DW_AT_declaration) || !type_of(die, &type))
        return NULL;
    if (reading->result->count >= VARIABLES_MAX) {
        reading->result->cut = true;
        return NULL;
    }
    type_write_name(&type, type_name, sizeof(type_name));
    value_begin(reading->frame->thread);
    if (exists || dwarf_hasattr(die, DW_AT_const_value))
        value_locate(reading->frame, die, &storage);
    else
        storage_nowhere(&storage, PLACE_OPTIMIZED_OUT);
    value_write(reading->frame, reading->symbols, &type, &storage, VALUE_ON_ONE_LINE, value,
                sizeof(value));
    struct error *error = append(reading, name, "", type_name, value, argument);
    if (!error && argument && exists && !reading->inlined)
        error = append_entry_value(reading, die, name, &type, type_name, value);
    return error;
}

/* --- Functions and their blocks. --- */

/* False when the entries are used up. */
static bool next_entry(struct reading *reading, Dwarf_Die *die)
{
    if (!reading->entries_left)
        return false;
    reading->entries_left--;
    return dwarf_siblingof(die, die) == 0;
}

static bool origin_of(Dwarf_Die *die, Dwarf_Die *ret)
{
    Dwarf_Attribute attribute;
    return dwarf_attr(die, DW_AT_abstract_origin, &attribute) && dwarf_formref_die(&attribute, ret);
}

/* What became, in this copy of a function, of a variable of the function as it was written. */
static bool find_instance(struct reading *reading, Dwarf_Die *function, const Dwarf_Die *wanted,
                          unsigned depth, Dwarf_Die *ret)
{
    Dwarf_Die die, origin;
    if (depth > DEPTH_MAX || dwarf_child(function, &die) != 0)
        return false;
    do {
        if (origin_of(&die, &origin) && origin.addr == wanted->addr) {
            *ret = die;
            return true;
        }
        if (dwarf_tag(&die) == DW_TAG_lexical_block &&
            find_instance(reading, &die, wanted, depth + 1, ret))
            return true;
    } while (next_entry(reading, &die));
    return false;
}

/*
 * Arguments in the order of the source: copies of a function (inlined ones, say) may have them in
 * any other, and may have lost some.
 */
static struct error *read_arguments(struct reading *reading, Dwarf_Die *function)
{
    Dwarf_Die origin, die, instance;
    bool is_copy = origin_of(function, &origin);
    if (!is_copy)
        origin = *function;
    if (dwarf_child(&origin, &die) != 0)
        return NULL;
    do {
        if (dwarf_tag(&die) != DW_TAG_formal_parameter)
            continue;
        bool exists = !is_copy || find_instance(reading, function, &die, 0, &instance);
        struct error *error =
            read_variable(reading, is_copy && exists ? &instance : &die, true, exists);
        if (error)
            return error;
    } while (next_entry(reading, &die));
    return NULL;
}

/* True for blocks that the program counter is in; those that say no addresses hold what their
   parent holds. */
static bool covers(Dwarf_Die *block, Dwarf_Addr pc)
{
    return dwarf_haspc(block, pc) > 0 ||
           (!dwarf_hasattr(block, DW_AT_ranges) && !dwarf_hasattr(block, DW_AT_low_pc));
}

static struct error *read_block(struct reading *reading, Dwarf_Die *block, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(block, &die) != 0)
        return NULL;
    do {
        struct error *error = NULL;
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_variable)
            error = read_variable(reading, &die, false, true);
        else if (tag == DW_TAG_lexical_block && covers(&die, reading->frame->lookup_pc))
            error = read_block(reading, &die, depth + 1);
        if (error)
            return error;
    } while (next_entry(reading, &die));
    return NULL;
}

/* Variables that the compiler removed from this copy of a function. */
static struct error *read_lost(struct reading *reading, Dwarf_Die *function)
{
    Dwarf_Die origin, die, instance;
    if (!origin_of(function, &origin) || dwarf_child(&origin, &die) != 0)
        return NULL;
    do {
        if (dwarf_tag(&die) != DW_TAG_variable ||
            find_instance(reading, function, &die, 0, &instance))
            continue;
        struct error *error = read_variable(reading, &die, false, false);
        if (error)
            return error;
    } while (next_entry(reading, &die));
    return NULL;
}

struct error *variables_read(const struct value_frame *frame, struct symbols *symbols,
                             Dwarf_Die *entry, struct frame_variables **ret)
{
    struct reading reading = {
        .frame = frame,
        .symbols = symbols,
        .inlined = dwarf_tag(entry) == DW_TAG_inlined_subroutine,
        .entries_left = ENTRIES_MAX,
        .result = calloc(1, sizeof(*reading.result)),
    };
    if (!reading.result)
        return error_no_memory();
    struct error *error = read_arguments(&reading, entry);
    if (!error)
        error = read_block(&reading, entry, 0);
    if (!error)
        error = read_lost(&reading, entry);
    reading.result->cut |= !reading.entries_left;
    if (error) {
        variables_destroy(reading.result);
        return error;
    }
    *ret = reading.result;
    return NULL;
}
