/* How names of the debug information are written: as somebody would type them, and as the linker
   has them. */
#include "src/base_name.h"
#include "src/crepl/names_private.h"
#include "src/types.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *name_linkage(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        name = dwarf_formstring(&attribute);
    return name ? name : type_die_name(die);
}

const char *name_unit(Dwarf_Die *die)
{
    Dwarf_Die unit;
    const char *name = dwarf_diecu(die, &unit, NULL, NULL) ? type_die_name(&unit) : NULL;
    return name ? name : "";
}

Dwarf_Die name_written_function(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die origin;
    return dwarf_attr(die, DW_AT_abstract_origin, &attribute) &&
                   dwarf_formref_die(&attribute, &origin)
               ? origin
               : *die;
}

const struct name_entry *name_specified(const struct name_index *index,
                                        const struct name_entry *entry, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die other = *die;
    const struct name_entry *found = NULL;
    for (unsigned i = 0; i < 4; i++) {
        if (!dwarf_attr(&other, DW_AT_specification, &attribute) &&
            !dwarf_attr(&other, DW_AT_abstract_origin, &attribute))
            break;
        if (!dwarf_formref_die(&attribute, &other))
            break;
    }
    if (other.addr == die->addr)
        return entry;
    while ((found = name_index_find(index, name_index_name(index, entry), found))) {
        if (found->offset == dwarf_dieoffset(&other))
            return found;
    }
    return entry;
}

/* The scopes around an entry, outermost first; up to SCOPES_MAX. */
static void print_scopes(FILE *text, const struct name_index *index, const struct name_entry *entry,
                         unsigned depth)
{
    const struct name_entry *scope = name_index_parent(index, entry);
    if (!scope || depth > SCOPES_MAX)
        return;
    print_scopes(text, index, scope, depth + 1);
    fprintf(text, "%s::", name_index_name(index, scope));
}

static void print_file(FILE *text, Dwarf_Die *die)
{
    const char *file = base_name(name_unit(die));
    const char *mark = strspn(file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789_.") == strlen(file)
                           ? ""
                           : "\"";
    fprintf(text, "%s%s%s::", mark, file, mark);
}

char *name_spell(const struct name_index *index, const struct name_entry *entry, Dwarf_Die *die,
                 bool with_file)
{
    char *spelled = NULL;
    size_t size;
    FILE *text = open_memstream(&spelled, &size);
    if (!text)
        return NULL;
    const struct name_entry *written = name_specified(index, entry, die);
    const struct name_entry *scope = name_index_parent(index, written);
    /* Namespaces and classes are the same in all files. */
    if (with_file && (!scope || scope->kind == NAME_FUNCTION))
        print_file(text, die);
    print_scopes(text, index, written, 0);
    fputs(name_index_name(index, entry), text);
    if (fclose(text) == 0)
        return spelled;
    free(spelled);
    return NULL;
}
