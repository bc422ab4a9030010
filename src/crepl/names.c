#include "src/crepl/names.h"

#include "injector/linkmap.h"
#include "src/base_name.h"
#include "src/crepl/debug_size.h"
#include "src/crepl/names_private.h"
#include "src/crepl/prototypes.h"
#include "src/crepl/signature.h"
#include "src/lines.h"
#include "src/payload_file.h"
#include "src/types.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* By debug_size: what is indexed in half a second or so. */
#define QUICK_BYTES (UINT64_C(40) << 20)

struct searched {
    struct module *module;
    bool indexed;
    struct name_index *index; /* NULL: no debug information, or not indexed yet */
};

struct names {
    struct modules *modules;
    struct symbols *symbols;
    struct linkmap *linkmap; /* NULL: a static program */
    struct searched *order;  /* the program first */
    size_t count;
    deadline_t hurry; /* 0: none */
};

/* --- The order of search. --- */

/* What the manhole brought along is none of the program's. */
static bool is_payload(const struct names *names, const struct module *module)
{
    const struct loaded *payload =
        names->linkmap ? linkmap_find_soname(names->linkmap, PAYLOAD_SONAME) : NULL;
    return payload && module->start <= payload->dynamic && module->end > payload->dynamic;
}

static void add_module(struct names *names, struct module *module)
{
    if (!module || module->path[0] == '[' || is_payload(names, module))
        return;
    for (size_t i = 0; i < names->count; i++) {
        if (names->order[i].module == module)
            return;
    }
    names->order[names->count++] = (struct searched){.module = module};
}

static struct module *find_program(const struct names *names)
{
    const struct modules *modules = names->modules;
    for (size_t i = 0; i < modules->count; i++) {
        if (strcmp(modules->modules[i]->path, modules->process->executable) == 0)
            return modules->modules[i];
    }
    return NULL;
}

static bool is_loader(const struct names *names, const struct module *module)
{
    const struct linkmap *linkmap = names->linkmap;
    return linkmap && !linkmap->is_musl && module->start < linkmap->loader_end &&
           module->end > linkmap->loader_start;
}

static void find_order(struct names *names)
{
    const struct linkmap *linkmap = names->linkmap;
    struct modules *modules = names->modules;
    add_module(names, find_program(names));
    for (size_t i = 0; linkmap && i < linkmap->count; i++) {
        struct module *module = modules_find(modules, linkmap->objects[i].dynamic);
        if (module && !is_loader(names, module))
            add_module(names, module);
    }
    for (size_t i = 0; i < modules->count; i++) {
        if (!is_loader(names, modules->modules[i]))
            add_module(names, modules->modules[i]);
    }
    for (size_t i = 0; i < modules->count; i++)
        add_module(names, modules->modules[i]);
}

struct error *names_create(struct modules *modules, struct symbols *symbols, struct names **ret)
{
    struct names *names = calloc(1, sizeof(*names));
    if (!names)
        return error_no_memory();
    names->modules = modules;
    names->symbols = symbols;
    names->order = calloc(modules->count + 1, sizeof(*names->order));
    if (!names->order) {
        free(names);
        return error_no_memory();
    }
    /* A static program has none; then modules are in the order of their addresses. */
    CLEANUP_ERROR struct error *error =
        linkmap_read(modules->process, modules->maps, &names->linkmap);
    if (error)
        names->linkmap = NULL;
    find_order(names);
    *ret = names;
    return NULL;
}

void names_destroy(struct names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->count; i++)
        name_index_destroy(names->order[i].index);
    free(names->order);
    linkmap_destroy(names->linkmap);
    free(names);
}

/* The file of the module is opened then. */
static bool is_affordable(const struct names *names, struct module *module)
{
    if (names->hurry && deadline_passed(names->hurry))
        return false;
    module_open(module);
    return !names->hurry || debug_size(module) <= QUICK_BYTES || name_kept_exists(module);
}

void names_hurry(struct names *names, deadline_t until)
{
    names->hurry = until;
}

static struct name_index *get_index(struct names *names, size_t at)
{
    struct searched *searched = &names->order[at];
    if (!searched->indexed && is_affordable(names, searched->module)) {
        searched->indexed = true;
        searched->index = name_index_create(names->symbols, searched->module);
    }
    return searched->index;
}

bool names_module(struct names *names, size_t at, struct module **module, struct name_index **ret)
{
    if (at >= names->count)
        return false;
    *module = names->order[at].module;
    *ret = get_index(names, at);
    return true;
}

bool names_is_manhole(const struct module *module)
{
    return strstr(base_name(module->path), PAYLOAD_SONAME) != NULL;
}

struct name_index *names_index(struct names *names, const struct module *module)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->order[i].module == module)
            return get_index(names, i);
    }
    return NULL;
}

Dwarf *names_dwarf(struct names *names, struct module *module)
{
    struct lines *lines = names_index(names, module) ? symbols_lines(names->symbols, module) : NULL;
    return lines ? lines_dwarf(lines) : NULL;
}

/* --- Addresses. --- */

/* What the program itself gets by this name: the first module in the order that defines it. */
static bool find_symbol(struct names *names, const char *name, bool function, struct named *ret)
{
    struct export export;
    for (size_t i = 0; i < names->count; i++) {
        struct address address;
        module_open(names->order[i].module);
        address_of_symbol(names->order[i].module, name, function, &address);
        if (address.kind == ADDRESS_NONE)
            continue;
        /* Of several versions of a function the loader takes the default one. */
        if (function && i && address.kind == ADDRESS_MEMORY && names->linkmap &&
            linkmap_function(names->linkmap, name, &export))
            address.value = export.address;
        ret->address = address;
        ret->is_function = function;
        if (!ret->module)
            ret->module = names->order[i].module;
        return true;
    }
    return false;
}

/*
 * Exported names of libraries are what the loader makes of them: another module may define them
 * before, and variables may have been copied into the program.
 */
static void interpose(struct names *names, struct named *named)
{
    Dwarf_Attribute attribute;
    struct named first = {.module = named->module};
    bool external = false;
    const char *linkage = name_linkage(&named->die);
    if (!linkage || named->module == names->order[0].module || named->address.kind == ADDRESS_TLS ||
        !dwarf_attr_integrate(&named->die, DW_AT_external, &attribute) ||
        dwarf_formflag(&attribute, &external) != 0 || !external)
        return;
    if (find_symbol(names, linkage, named->is_function, &first))
        named->address = first.address;
}

/* --- The search. --- */

static enum named_result find_in(struct names *names, size_t at, const struct name_query *query,
                                 bool locals, struct named *ret, char **why)
{
    struct name_index *index = get_index(names, at);
    bool declared;
    if (!index || (locals && !name_index_add_locals(index)))
        return NAMED_UNKNOWN;
    enum named_result result =
        name_choose(names->order[at].module, index, query, ret, &declared, why);
    if (declared && (result == NAMED_FOUND || result == NAMED_REFUSED)) {
        const char *linkage = name_linkage(&ret->die);
        if (!linkage || !find_symbol(names, linkage, ret->is_function, ret))
            return result == NAMED_REFUSED ? NAMED_REFUSED : NAMED_UNKNOWN;
        free(*why);
        *why = NULL;
        return NAMED_FOUND;
    }
    if (result != NAMED_FOUND || (ret->kind != NAMED_VARIABLE && ret->kind != NAMED_FUNCTION))
        return result;
    interpose(names, ret);
    return result;
}

/* A linkage name of C++ or Rust: a function that its plain name alone does not tell. */
static bool find_mangled(struct names *names, const char *name, struct named *ret)
{
    Dwarf_Die entries[SOURCE_FRAMES_MAX];
    *ret = (struct named){.kind = NAMED_FUNCTION};
    if ((strncmp(name, "_Z", 2) != 0 && strncmp(name, "_R", 2) != 0) ||
        !find_symbol(names, name, true, ret))
        return false;
    struct lines *lines = symbols_lines(names->symbols, ret->module);
    size_t count = lines ? lines_find_entries(lines, ret->address.value, false, entries) : 0;
    if (!count)
        return false;
    ret->die = name_written_function(&entries[count - 1]);
    return true;
}

static bool find_prototype(struct names *names, const char *name, struct named *ret)
{
    bool is_function;
    const char *text = prototype_find(name, &is_function);
    *ret = (struct named){.kind = NAMED_PROTOTYPE, .text = text};
    return text && find_symbol(names, name, is_function, ret);
}

static bool find_header_text(const struct name_query *query, struct named *ret)
{
    bool is_type;
    const char *text = header_text_find(query->name, &is_type);
    *ret = (struct named){.kind = NAMED_TEXT, .text = text};
    return text && (is_type || !query->type_place);
}

static bool find_bare_symbol(struct names *names, const char *name, struct named *ret)
{
    *ret = (struct named){.kind = NAMED_SYMBOL};
    return find_symbol(names, name, true, ret) || find_symbol(names, name, false, ret);
}

static enum named_result find(struct names *names, const struct name_query *query,
                              struct named *ret, char **why)
{
    bool qualified = query->file || query->scope_count;
    bool ordinary = !qualified && !query->tag;
    enum named_result result = NAMED_UNKNOWN;
    if (!names->count)
        return NAMED_UNKNOWN;
    if (ordinary && find_mangled(names, query->name, ret))
        return NAMED_FOUND;
    result = find_in(names, 0, query, false, ret, why);
    if (result == NAMED_UNKNOWN && ordinary && !query->type_place &&
        find_prototype(names, query->name, ret))
        return NAMED_FOUND;
    if (result == NAMED_UNKNOWN && ordinary && find_header_text(query, ret))
        return NAMED_FOUND;
    if (result == NAMED_UNKNOWN)
        result = find_in(names, 0, query, true, ret, why);
    for (size_t i = 1; i < names->count && result == NAMED_UNKNOWN; i++)
        result = find_in(names, i, query, qualified, ret, why);
    if (result == NAMED_UNKNOWN && ordinary && find_bare_symbol(names, query->name, ret))
        return NAMED_FOUND;
    return result;
}

enum named_result names_find(struct names *names, const struct wanted *wanted, struct named *ret,
                             char **why)
{
    struct name_query query;
    *why = NULL;
    if (!name_query_init(&query, wanted))
        return NAMED_REFUSED;
    enum named_result result = find(names, &query, ret, why);
    if (result == NAMED_UNKNOWN && query.type_place) {
        /* It may have looked like a type only. */
        query.type_place = false;
        result = find(names, &query, ret, why);
    }
    name_query_deinit(&query);
    return result;
}

/* --- Types. --- */

static enum name_kind kind_of_tag(int tag)
{
    switch (tag) {
    case DW_TAG_union_type:
        return NAME_UNION;
    case DW_TAG_enumeration_type:
        return NAME_ENUM;
    default:
        return NAME_STRUCT;
    }
}

bool names_find_definition(struct names *names, struct module *module, Dwarf_Die *declaration,
                           Dwarf_Die *ret)
{
    const struct name_entry *entry = NULL;
    const char *name = type_die_name(declaration);
    struct name_index *index = name ? names_index(names, module) : NULL;
    char *first = NULL, *other = NULL;
    bool several = false;
    while (index && !several && (entry = name_index_find(index, name, entry))) {
        Dwarf_Die die;
        if (entry->declaration || entry->kind != kind_of_tag(dwarf_tag(declaration)) ||
            !name_index_die(index, entry, &die))
            continue;
        char **signature = first ? &other : &first;
        if (!first)
            *ret = die;
        *signature = type_signature(&die);
        several = !*signature || (other && strcmp(first, other) != 0);
        free(other);
        other = NULL;
    }
    bool found = first && !several;
    free(first);
    return found;
}

static bool has_type(const struct name_index *index, const char *name)
{
    const struct name_entry *entry = NULL;
    while ((entry = name_index_find(index, name, entry))) {
        if (entry->kind == NAME_TYPEDEF || (entry->kind <= NAME_ENUM && entry->kind > NAME_TYPEDEF))
            return true;
    }
    return false;
}

bool names_is_type(void *context, const char *text, size_t length)
{
    struct names *names = context;
    bool is_type = false;
    char *name = strndup(text, length);
    if (!name)
        return false;
    const char *scope = strrchr(name, ':');
    (void)header_text_find(name, &is_type);
    /* The first that has debug information, and those that were needed anyway. */
    bool first = true;
    for (size_t i = 0; i < names->count && !is_type; i++) {
        const struct name_index *index = first ? get_index(names, i) : names->order[i].index;
        first = first && !index;
        is_type = index && has_type(index, scope ? scope + 1 : name);
    }
    free(name);
    return is_type;
}
