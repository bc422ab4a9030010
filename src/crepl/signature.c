#include "src/crepl/signature.h"

#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

char *type_signature(Dwarf_Die *type)
{
    char *signature = NULL;
    size_t size, count = 0;
    Dwarf_Die die;
    FILE *text = open_memstream(&signature, &size);
    if (!text)
        return NULL;
    add_part(text, type);
    add_number(text, type, DW_AT_byte_size);
    add_number(text, type, DW_AT_decl_line);
    if (dwarf_tag(type) != DW_TAG_subprogram && dwarf_child(type, &die) == 0) {
        do {
            /* Which functions of a class a unit knows differs. */
            if (dwarf_tag(&die) != DW_TAG_subprogram)
                add_part(text, &die);
        } while (++count < MEMBERS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    if (fclose(text) == 0)
        return signature;
    free(signature);
    return NULL;
}
