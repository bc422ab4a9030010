#include "src/crepl/signature.h"

#include "src/base_name.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 100000
#define TYPE_NAME_MAX 256

static void add_number(FILE *text, Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    if (dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, &number) == 0)
        fprintf(text, "%" PRIu64, (uint64_t)number);
    fputc(':', text);
}

static void add_part(FILE *text, Dwarf_Die *die)
{
    static const unsigned numbers[] = {
        DW_AT_data_member_location, DW_AT_data_bit_offset, DW_AT_bit_offset, DW_AT_bit_size,
        DW_AT_const_value,          DW_AT_upper_bound,     DW_AT_count};
    const char *name = type_die_name(die);
    Dwarf_Die type;
    char type_name[TYPE_NAME_MAX] = "";
    fprintf(text, "%x %s ", (unsigned)dwarf_tag(die), name ? name : "");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(text, die, numbers[i]);
    if (type_of(die, &type))
        type_write_name(&type, type_name, sizeof(type_name));
    fprintf(text, "%s;", type_name);
}

/*
 * What a source file keeps to itself is its own: the same words in another one may mean other types
 * behind pointers. Its number among the files of its unit is 0 or, of gcc, 1 (DWARF 5, 6.2.4); that
 * of a header is seldom so small, and reading the list of files takes time.
 */
static void add_own_file(FILE *text, Dwarf_Die *type)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Die unit;
    if (!dwarf_attr(type, DW_AT_decl_file, &attribute) ||
        dwarf_formudata(&attribute, &number) != 0 || number > 1 ||
        !dwarf_diecu(type, &unit, NULL, NULL))
        return;
    const char *file = dwarf_decl_file(type), *name = type_die_name(&unit);
    if (file && name && strcmp(base_name(file), base_name(name)) == 0)
        fprintf(text, "%s;", name);
}

/* What makes up the type. Of a class's functions, types and static members each unit knows those
   that it uses. */
static bool is_part(Dwarf_Die *die)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_member: /* a static one, before DWARF 5 */
        return !dwarf_hasattr(die, DW_AT_external);
    case DW_TAG_inheritance:
    case DW_TAG_variant_part:
    case DW_TAG_enumerator:
    case DW_TAG_subrange_type:
    case DW_TAG_formal_parameter:
    case DW_TAG_unspecified_parameters:
        return true;
    default:
        return false;
    }
}

char *type_signature(Dwarf_Die *type)
{
    char *signature = NULL;
    size_t size, count = 0;
    Dwarf_Die die;
    FILE *text = open_memstream(&signature, &size);
    if (!text)
        return NULL;
    add_part(text, type);
    add_own_file(text, type);
    add_number(text, type, DW_AT_byte_size);
    add_number(text, type, DW_AT_decl_line);
    if (dwarf_tag(type) != DW_TAG_subprogram && dwarf_child(type, &die) == 0) {
        do {
            if (is_part(&die))
                add_part(text, &die);
        } while (++count < MEMBERS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    if (fclose(text) == 0)
        return signature;
    free(signature);
    return NULL;
}
