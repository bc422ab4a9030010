#include "src/crepl/macros.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Units include one another; beyond that debug information must be broken. */
#define DEPTH_MAX 64
#define TEXT_MAX 16384

/* A definition, and the unit that has it. */
struct variant {
    const char *text;
    const void *unit; /* private: tells units apart */
    const char *file;
};

struct macro {
    const char *name;            /* the start of a text: not terminated */
    struct variant first, other; /* `other`: one that differs */
    UT_hash_handle hh;
};

/* A piece of .debug_macro that several units include. */
struct visited {
    Dwarf_Off offset;
    UT_hash_handle hh;
};

struct macros {
    struct names *names;
    struct macro *by_name;
    size_t next; /* module in the order of search */
};

/* One module on its way into the index. */
struct reading {
    struct macros *macros;
    Dwarf *dwarf;
    struct visited *visited;
    const void *unit;
    const char *file;
    unsigned depth;
};

struct macros *macros_create(struct names *names)
{
    struct macros *macros = calloc(1, sizeof(*macros));
    if (macros)
        macros->names = names;
    return macros;
}

void macros_destroy(struct macros *macros)
{
    if (!macros)
        return;
    struct macro *macro, *next;
    HASH_ITER(hh, macros->by_name, macro, next)
    {
        HASH_DEL(macros->by_name, macro);
        free(macro);
    }
    free(macros);
}

/* --- The index. --- */

static size_t name_length(const char *text)
{
    return strcspn(text, " (");
}

/* One line that C can be made of: nothing else may get into the source. */
static bool is_sound(const char *text)
{
    size_t length = strnlen(text, TEXT_MAX);
    return length && length < TEXT_MAX && name_length(text) && !strpbrk(text, "\n\r") &&
           text[length - 1] != '\\';
}

static struct macro *find(const struct macros *macros, const char *name, size_t length)
{
    struct macro *macro;
    HASH_FIND(hh, macros->by_name, name, length, macro);
    return macro;
}

static void define(struct reading *reading, const char *text)
{
    const struct variant variant = {text, reading->unit, reading->file};
    struct macro *macro = find(reading->macros, text, name_length(text));
    if (!macro) {
        macro = calloc(1, sizeof(*macro));
        if (!macro)
            return; /* it is not known then */
        *macro = (struct macro){.name = text, .first = variant};
        HASH_ADD_KEYPTR(hh, reading->macros->by_name, macro->name, name_length(text), macro);
        if (!macro->hh.tbl)
            free(macro);
    } else if (!macro->first.text || macro->first.unit == variant.unit) {
        macro->first = variant;
    } else if (strcmp(macro->first.text, text) != 0) {
        macro->other = variant;
    }
}

/* Of the same unit: what another one thinks of the name is its own affair. */
static void undefine(struct reading *reading, const char *name)
{
    struct macro *macro = find(reading->macros, name, name_length(name));
    if (macro && macro->other.text && macro->other.unit == reading->unit)
        macro->other.text = NULL;
    else if (macro && macro->first.unit == reading->unit)
        macro->first.text = NULL;
}

/* NULL: it has been read before, or no memory. */
static struct visited *visit(struct reading *reading, Dwarf_Off offset)
{
    struct visited *visited;
    HASH_FIND(hh, reading->visited, &offset, sizeof(offset), visited);
    if (visited || !(visited = calloc(1, sizeof(*visited))))
        return NULL;
    visited->offset = offset;
    HASH_ADD(hh, reading->visited, offset, sizeof(offset), visited);
    if (visited->hh.tbl)
        return visited;
    free(visited);
    return NULL;
}

static int take_entry(Dwarf_Macro *entry, void *context);

static void include(struct reading *reading, Dwarf_Off offset)
{
    const struct visited *visited = reading->depth < DEPTH_MAX ? visit(reading, offset) : NULL;
    if (!visited)
        return;
    struct reading part = *reading;
    part.depth++;
    part.unit = visited;
    dwarf_getmacros_off(part.dwarf, offset, take_entry, &part, DWARF_GETMACROS_START);
    reading->visited = part.visited;
}

static int take_entry(Dwarf_Macro *entry, void *context)
{
    struct reading *reading = context;
    unsigned opcode;
    Dwarf_Word offset;
    const char *text;
    if (dwarf_macro_opcode(entry, &opcode))
        return DWARF_CB_ABORT;
    switch (opcode) {
    case DW_MACRO_define:
    case DW_MACRO_define_strp:
    case DW_MACRO_define_strx:
        if (!dwarf_macro_param2(entry, NULL, &text) && text && is_sound(text))
            define(reading, text);
        break;
    case DW_MACRO_undef:
    case DW_MACRO_undef_strp:
    case DW_MACRO_undef_strx:
        if (!dwarf_macro_param2(entry, NULL, &text) && text && is_sound(text))
            undefine(reading, text);
        break;
    case DW_MACRO_import:
        if (!dwarf_macro_param1(entry, &offset))
            include(reading, offset);
        break;
    }
    return DWARF_CB_OK;
}

static void read_module(struct macros *macros, Dwarf *dwarf)
{
    struct reading reading = {.macros = macros, .dwarf = dwarf};
    struct visited *visited, *next;
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        const char *file = dwarf_diename(&die);
        reading.unit = unit;
        reading.file = file ? file : "?";
        dwarf_getmacros(&die, take_entry, &reading, DWARF_GETMACROS_START);
    }
    HASH_ITER(hh, reading.visited, visited, next)
    {
        HASH_DEL(reading.visited, visited);
        free(visited);
    }
}

/* Module by module, until one has the name: that of the program counts most. */
static const struct macro *find_or_read(struct macros *macros, const char *name, size_t length)
{
    for (;;) {
        const struct macro *macro = find(macros, name, length);
        struct module *module;
        struct name_index *index;
        if ((macro && macro->first.text) ||
            !names_module(macros->names, macros->next, &module, &index))
            return macro && macro->first.text ? macro : NULL;
        macros->next++;
        Dwarf *dwarf = index ? names_dwarf(macros->names, module) : NULL;
        if (dwarf)
            read_module(macros, dwarf);
    }
}

enum named_result macros_find(struct macros *macros, const char *name, size_t length,
                              const char **ret, char **why)
{
    const struct macro *macro = find_or_read(macros, name, length);
    *why = NULL;
    if (!macro)
        return NAMED_UNKNOWN;
    *ret = macro->first.text;
    if (!macro->other.text)
        return NAMED_FOUND;
    if (asprintf(why, "is ambiguous: a macro, in %s '%s', in %s '%s'", macro->first.file,
                 macro->first.text, macro->other.file, macro->other.text) < 0)
        *why = NULL;
    return NAMED_REFUSED;
}
