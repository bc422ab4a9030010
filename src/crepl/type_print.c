#include "src/crepl/type_print.h"

#include "src/base_name.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <string.h>

/* Pointers, arrays and typedefs around one type; structures within one another. */
#define CHAIN_MAX 64
#define DEPTH_MAX 16
#define DECLARATION_MAX 1024
#define BITS 8

struct printing {
    FILE *out;
    struct layouts *layouts;
    struct module *module;
    unsigned depth;
};

bool type_print_finds(struct layouts *layouts, struct module *module, const Dwarf_Die *type,
                      Dwarf_Die *ret)
{
    Dwarf_Die die = *type;
    for (unsigned i = 0; i < CHAIN_MAX && layouts_strip(layouts, module, &die, &die); i++) {
        int tag = dwarf_tag(&die);
        *ret = die;
        if (layout_is_aggregate(tag) || tag == DW_TAG_enumeration_type)
            return true;
        if (!type_of(&die, &die))
            return false;
    }
    return false;
}

bool type_print_place(Dwarf_Die *die, char *buffer, size_t size)
{
    int line;
    const char *file = dwarf_decl_file(die);
    if (!file || dwarf_decl_line(die, &line) != 0)
        return false;
    snprintf(buffer, size, "%s:%d", base_name(file), line);
    return true;
}

static void print_indent(const struct printing *printing)
{
    fprintf(printing->out, "%*s", (int)(2 * printing->depth), "");
}

/* What stands in front of a member, or of a line without one. */
static void print_column(const struct printing *printing, uint64_t first_bit, bool is_bit,
                         const uint64_t *size)
{
    char offset[32], bytes[24] = "";
    snprintf(offset, sizeof(offset), is_bit ? "%" PRIu64 ":%" PRIu64 : "%" PRIu64, first_bit / BITS,
             first_bit % BITS);
    if (size)
        snprintf(bytes, sizeof(bytes), "%" PRIu64, *size);
    fprintf(printing->out, "/* %7s %6s */ ", offset, bytes);
    print_indent(printing);
}

static void print_no_column(const struct printing *printing)
{
    if (printing->depth)
        fprintf(printing->out, "%21s", "");
    print_indent(printing);
}

/* --- Structures. --- */

static const char *keyword_of(int tag)
{
    switch (tag) {
    case DW_TAG_class_type:
        return "class";
    case DW_TAG_union_type:
        return "union";
    case DW_TAG_enumeration_type:
        return "enum";
    default:
        return "struct";
    }
}

/*
 * True when all that the debug information says of its inside is in the layout. Virtual base
 * classes, the variants of Rust and what has no certain place are not: what lies between the others
 * may be theirs.
 */
static bool is_whole(Dwarf_Die *type, const struct layout *layout)
{
    Dwarf_Die die;
    size_t count = 0;
    if (dwarf_child(type, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_inheritance || tag == DW_TAG_variant_part)
            return false;
        count += tag == DW_TAG_member && !dwarf_hasattr(&die, DW_AT_external) &&
                 !dwarf_hasattr(&die, DW_AT_declaration);
    } while (dwarf_siblingof(&die, &die) == 0);
    return count == layout->count;
}

static void print_gap(const struct printing *printing, uint64_t from, uint64_t to, bool at_end,
                      bool whole)
{
    bool is_bits = from % BITS || to % BITS;
    uint64_t size = is_bits ? to - from : (to - from) / BITS;
    print_column(printing, from, is_bits, is_bits ? NULL : &size);
    fprintf(printing->out, "/* %s: %" PRIu64 " %s%s */\n",
            !whole   ? "no member known"
            : at_end ? "padding"
                     : "hole",
            size, is_bits ? "bit" : "byte", size == 1 ? "" : "s");
}

static void print_aggregate(struct printing *printing, Dwarf_Die *type, const struct layout *layout,
                            uint64_t base);

/* The layout of a member's own structure that has no name and so no other place to be shown at. */
static const struct layout *find_nested(const struct printing *printing,
                                        const struct layout_member *member, Dwarf_Die *ret)
{
    if (printing->depth >= DEPTH_MAX ||
        !layouts_strip(printing->layouts, printing->module, &member->type, ret) ||
        !layout_is_aggregate(dwarf_tag(ret)) || type_die_name(ret))
        return NULL;
    Dwarf_Die type = member->type;
    /* A typedef is a name too. */
    return dwarf_tag(&type) == DW_TAG_typedef
               ? NULL
               : layouts_get(printing->layouts, printing->module, ret);
}

static void print_member(struct printing *printing, const struct layout_member *member,
                         uint64_t base)
{
    Dwarf_Die type = member->type;
    char text[DECLARATION_MAX];
    const struct layout *nested = find_nested(printing, member, &type);
    uint64_t at = member->bits ? member->bit : member->offset * BITS;
    print_column(printing, base + at, member->bits > 0, &member->size);
    if (nested) {
        print_aggregate(printing, &type, nested, base + at);
        fprintf(printing->out, "%s%s;\n", member->name ? " " : "",
                member->name ? member->name : "");
        return;
    }
    type = member->type;
    type_write_declaration(&type, member->name ? member->name : "", text, sizeof(text));
    fputs(text, printing->out);
    if (member->bits)
        fprintf(printing->out, " : %" PRIu64, member->bits);
    fputs(strlen(text) + 1 == sizeof(text) ? "...;\n" : ";\n", printing->out);
}

/* From the opening brace to the closing one; base: where it begins, in bits. */
static void print_members(struct printing *printing, const struct layout *layout, uint64_t base,
                          bool whole)
{
    uint64_t end = 0;
    printing->depth++;
    for (size_t i = 0; i < layout->count; i++) {
        const struct layout_member *member = &layout->members[i];
        uint64_t at = member->bits ? member->bit : member->offset * BITS;
        if (!layout->is_union && at > end)
            print_gap(printing, base + end, base + at, false, whole);
        print_member(printing, member, base);
        uint64_t behind = member->bits ? at + member->bits : at + member->size * BITS;
        if (behind > end)
            end = behind;
    }
    if (end < layout->size * BITS)
        print_gap(printing, base + end, base + layout->size * BITS, true, whole);
    printing->depth--;
}

static void print_aggregate(struct printing *printing, Dwarf_Die *type, const struct layout *layout,
                            uint64_t base)
{
    const char *name = type_die_name(type);
    fprintf(printing->out, "%s%s%s {\n", keyword_of(dwarf_tag(type)), name ? " " : "",
            name ? name : "");
    print_members(printing, layout, base, is_whole(type, layout));
    print_no_column(printing);
    fputc('}', printing->out);
}

/* --- Everything else. --- */

static void print_enumerators(const struct printing *printing, Dwarf_Die *type)
{
    Dwarf_Die die;
    Dwarf_Attribute attribute;
    Dwarf_Sword number;
    const char *name = type_die_name(type);
    fprintf(printing->out, "enum%s%s {\n", name ? " " : "", name ? name : "");
    if (dwarf_child(type, &die) == 0) {
        do {
            if (dwarf_tag(&die) != DW_TAG_enumerator || !type_die_name(&die))
                continue;
            fprintf(printing->out, "  %s", type_die_name(&die));
            if (dwarf_attr(&die, DW_AT_const_value, &attribute) &&
                dwarf_formsdata(&attribute, &number) == 0)
                fprintf(printing->out, " = %jd", (intmax_t)number);
            fputs(",\n", printing->out);
        } while (dwarf_siblingof(&die, &die) == 0);
    }
    fputc('}', printing->out);
}

/* "; 56 bytes, file.c:17" behind a definition. */
static void print_end(const struct printing *printing, Dwarf_Die *type, bool with_size)
{
    char place[256];
    uint64_t size, alignment;
    bool sized =
        with_size && layouts_measure(printing->layouts, printing->module, type, &size, &alignment);
    bool placed = type_print_place(type, place, sizeof(place));
    fputc(';', printing->out);
    if (sized || placed)
        fputs(" /* ", printing->out);
    if (sized)
        fprintf(printing->out, "%" PRIu64 " byte%s%s", size, size == 1 ? "" : "s",
                placed ? ", " : "");
    fprintf(printing->out, "%s%s", placed ? place : "", sized || placed ? " */\n" : "\n");
}

void type_print_typedef(Dwarf_Die *type, const char *name, char *buffer, size_t size)
{
    Dwarf_Die target;
    char text[DECLARATION_MAX];
    if (type_of(type, &target))
        type_write_declaration(&target, name, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "void %s", name);
    snprintf(buffer, size, "typedef %s", text);
}

/* The typedef itself, and what it names. */
static void print_typedef(struct printing *printing, Dwarf_Die *type)
{
    char text[DECLARATION_MAX];
    Dwarf_Die behind;
    const char *name = type_die_name(type);
    type_print_typedef(type, name ? name : "", text, sizeof(text));
    fputs(text, printing->out);
    print_end(printing, type, false);
    if (type_print_finds(printing->layouts, printing->module, type, &behind))
        type_print(printing->out, printing->layouts, printing->module, &behind);
}

void type_print(FILE *out, struct layouts *layouts, struct module *module, const Dwarf_Die *type)
{
    struct printing printing = {.out = out, .layouts = layouts, .module = module};
    Dwarf_Die die = *type;
    char name[DECLARATION_MAX];
    int tag = dwarf_tag(&die);
    const struct layout *layout =
        layout_is_aggregate(tag) ? layouts_get(layouts, module, &die) : NULL;
    if (tag == DW_TAG_typedef) {
        print_typedef(&printing, &die);
        return;
    }
    if (layout) {
        print_aggregate(&printing, &die, layout, 0);
    } else if (tag == DW_TAG_enumeration_type && !dwarf_hasattr(&die, DW_AT_declaration)) {
        print_enumerators(&printing, &die);
    } else {
        type_write_name(&die, name, sizeof(name));
        fputs(name, out);
    }
    print_end(&printing, &die, true);
}
