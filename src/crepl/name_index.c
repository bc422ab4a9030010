#include "src/crepl/name_index_private.h"

#include "injector/deadline.h"
#include "src/lines.h"
#include "src/types.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* Scopes within one another beyond which DWARF must be broken. */
#define DEPTH_MAX 64
/* Of one module: more than the largest browser has. */
#define ENTRIES_MAX 50000000u

/* One walk over a file. */
struct walk {
    struct name_index *index;
    bool shared;
    bool in_classes; /* the language has scopes in its types */
    bool locals;     /* what is inside of functions, and nothing else */
};

/* FNV-1a. */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* --- The walk. --- */

static uint32_t append(struct walk *walk, const struct name_entry *entry)
{
    struct name_index *index = walk->index;
    if (index->count == index->capacity) {
        uint32_t larger = index->capacity ? 2 * index->capacity : 4096;
        struct name_entry *entries =
            larger <= ENTRIES_MAX ? reallocarray(index->entries, larger, sizeof(*entries)) : NULL;
        if (!entries) {
            index->full = true;
            return NAME_NO_PARENT;
        }
        index->entries = entries;
        index->capacity = larger;
    }
    index->entries[index->count] = *entry;
    return index->count++;
}

static const char *own_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    return dwarf_attr(die, DW_AT_name, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

static bool flag(Dwarf_Die *die, unsigned name, bool integrate)
{
    Dwarf_Attribute attribute;
    bool value;
    return (integrate ? dwarf_attr_integrate(die, name, &attribute)
                      : dwarf_attr(die, name, &attribute)) &&
           dwarf_formflag(&attribute, &value) == 0 && value;
}

/* Adds a DIE that has a name; returns its entry, or NAME_NO_PARENT. */
static uint32_t add(struct walk *walk, Dwarf_Die *die, enum name_kind kind, uint32_t parent)
{
    bool is_type = kind != NAME_VARIABLE && kind != NAME_FUNCTION;
    const char *name = own_name(die);
    bool is_copy = !name && !is_type;
    if (is_copy)
        name = type_die_name(die);
    if (!name || !*name)
        return NAME_NO_PARENT;
    struct name_entry entry = {
        .name = (uintptr_t)name - walk->index->names,
        .offset = dwarf_dieoffset(die),
        .hash = hash_of(name), /* now that the name is in the processor's cache */
        .next = NO_ENTRY,
        .parent = parent,
        .kind = (uint8_t)kind,
        .declaration = kind != NAME_ENUMERATOR && flag(die, DW_AT_declaration, false),
        .external = !is_type && flag(die, DW_AT_external, is_copy),
        .in_function = walk->locals,
        .shared = walk->shared,
    };
    return append(walk, &entry);
}

static void add_enumerators(struct walk *walk, Dwarf_Die *type, uint32_t parent)
{
    Dwarf_Die die;
    if (dwarf_child(type, &die) != 0)
        return;
    do {
        if (dwarf_tag(&die) == DW_TAG_enumerator)
            (void)add(walk, &die, NAME_ENUMERATOR, parent);
    } while (!walk->index->full && dwarf_siblingof(&die, &die) == 0);
}

static void walk_children(struct walk *walk, Dwarf_Die *parent_die, uint32_t parent,
                          unsigned depth);

static void walk_type(struct walk *walk, Dwarf_Die *die, enum name_kind kind, uint32_t parent,
                      unsigned depth)
{
    uint32_t entry = add(walk, die, kind, parent);
    if (kind == NAME_ENUM)
        add_enumerators(walk, die, flag(die, DW_AT_enum_class, false) ? entry : parent);
    else if (walk->in_classes && entry != NAME_NO_PARENT)
        walk_children(walk, die, entry, depth + 1);
}

/*
 * The entry of the first walk for a function; it has none when it has no name. Sought by its place:
 * entries are in the order of the debug information, and in C++ a hundred thousand functions may
 * have one name.
 */
static uint32_t entry_of(const struct walk *walk, Dwarf_Die *die)
{
    const struct name_index *index = walk->index;
    Dwarf_Off offset = dwarf_dieoffset(die);
    uint32_t low = walk->shared ? index->shared_start : 0;
    uint32_t high = walk->shared ? index->walked : index->shared_start;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->entries[middle].offset == offset)
            return middle;
        if (index->entries[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return NAME_NO_PARENT;
}

/* An address, or a place in thread-local storage: not on a stack. */
static bool is_static(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Block block;
    if (!dwarf_attr(die, DW_AT_location, &attribute) || dwarf_formblock(&attribute, &block) != 0 ||
        !block.length)
        return false;
    switch (block.data[0]) {
    case DW_OP_addr:
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return true;
    default:
        return false;
    }
}

static void walk_function(struct walk *walk, Dwarf_Die *function, uint32_t entry, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(function, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_variable:
            if (is_static(&die))
                (void)add(walk, &die, NAME_VARIABLE, entry);
            break;
        case DW_TAG_lexical_block:
            walk_function(walk, &die, entry, depth + 1);
            break;
        case DW_TAG_typedef:
            (void)add(walk, &die, NAME_TYPEDEF, entry);
            break;
        case DW_TAG_structure_type:
        case DW_TAG_class_type:
            walk_type(walk, &die, NAME_STRUCT, entry, depth);
            break;
        case DW_TAG_union_type:
            walk_type(walk, &die, NAME_UNION, entry, depth);
            break;
        case DW_TAG_enumeration_type:
            walk_type(walk, &die, NAME_ENUM, entry, depth);
            break;
        default:
            break;
        }
    } while (!walk->index->full && dwarf_siblingof(&die, &die) == 0);
}

static void walk_one(struct walk *walk, Dwarf_Die *die, uint32_t parent, unsigned depth)
{
    int tag = dwarf_tag(die);
    uint32_t entry = NAME_NO_PARENT;
    if (walk->locals) {
        if (tag == DW_TAG_subprogram && dwarf_haschildren(die) > 0)
            walk_function(walk, die, entry_of(walk, die), depth + 1);
        else if (tag == DW_TAG_namespace)
            walk_children(walk, die, parent, depth + 1);
        return;
    }
    switch (tag) {
    case DW_TAG_variable:
        (void)add(walk, die, NAME_VARIABLE, parent);
        break;
    case DW_TAG_member: /* a static one, before DWARF 5 */
        if (walk->in_classes && flag(die, DW_AT_external, false))
            (void)add(walk, die, NAME_VARIABLE, parent);
        break;
    case DW_TAG_subprogram:
        (void)add(walk, die, NAME_FUNCTION, parent);
        break;
    case DW_TAG_typedef:
    case DW_TAG_base_type:
        (void)add(walk, die, NAME_TYPEDEF, parent);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        walk_type(walk, die, NAME_STRUCT, parent, depth);
        break;
    case DW_TAG_union_type:
        walk_type(walk, die, NAME_UNION, parent, depth);
        break;
    case DW_TAG_enumeration_type:
        walk_type(walk, die, NAME_ENUM, parent, depth);
        break;
    case DW_TAG_namespace:
        entry = add(walk, die, NAME_NAMESPACE, parent);
        /* One without a name is as if it were not there. */
        walk_children(walk, die, entry != NAME_NO_PARENT ? entry : parent, depth + 1);
        break;
    default:
        break;
    }
}

static void walk_children(struct walk *walk, Dwarf_Die *parent_die, uint32_t parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(parent_die, &die) != 0)
        return;
    do {
        walk_one(walk, &die, parent, depth);
    } while (!walk->index->full && dwarf_siblingof(&die, &die) == 0);
}

/* In C nothing but members stands within a structure. */
static bool is_c(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_Mips_Assembler:
        return true;
    default:
        return false;
    }
}

static void walk_file(struct walk *walk, Dwarf *dwarf)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    while (!walk->index->full && dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0) {
        walk->in_classes = !is_c(&die);
        walk_children(walk, &die, NAME_NO_PARENT, 0);
    }
}

static Dwarf *dwarf_of(const struct name_index *index)
{
    struct lines *lines = symbols_lines(index->symbols, index->module);
    return lines ? lines_dwarf(lines) : NULL;
}

static void walk_all(struct name_index *index, bool locals)
{
    struct walk walk = {.index = index, .locals = locals};
    Dwarf *dwarf = dwarf_of(index);
    if (dwarf)
        walk_file(&walk, dwarf);
    if (!locals)
        index->shared_start = index->count;
    Dwarf *shared = dwarf ? dwarf_getalt(dwarf) : NULL;
    if (shared) {
        walk.shared = true;
        walk_file(&walk, shared);
    }
    if (!locals)
        index->walked = index->count;
}

/* --- The table. --- */

static bool make_table(struct name_index *index)
{
    /* Most names stand there several times: each unit describes its types anew. */
    uint32_t size = 1024;
    while (size < index->count / 4)
        size *= 2;
    uint32_t *heads = malloc(size * sizeof(*heads));
    if (!heads)
        return false;
    free(index->heads);
    index->heads = heads;
    index->mask = size - 1;
    memset(heads, 0xff, size * sizeof(*heads));
    /* From the end on, so that each chain is in the order of the debug information. */
    for (uint32_t i = index->count; i-- > 0;) {
        uint32_t *head = &heads[index->entries[i].hash & index->mask];
        index->entries[i].next = *head;
        *head = i;
    }
    return true;
}

/* True where there was anything to walk over. */
static bool make(struct name_index *index)
{
    uint64_t start = monotonic_us();
    if (!dwarf_of(index))
        return false;
    walk_all(index, false);
    if (!make_table(index))
        return false;
    if (monotonic_us() - start >= user_cache_after_us())
        name_kept_save(index);
    return true;
}

struct name_index *name_index_create(struct symbols *symbols, struct module *module)
{
    struct name_index *index = calloc(1, sizeof(*index));
    if (!index)
        return NULL;
    index->symbols = symbols;
    index->module = module;
    index->file.fd = -1;
    if (name_kept_load(index) || make(index))
        return index;
    name_index_destroy(index);
    return NULL;
}

void name_index_destroy(struct name_index *index)
{
    if (!index)
        return;
    if (!index->is_kept) {
        free(index->heads);
        free(index->entries);
    }
    user_cache_close(&index->file);
    free(index);
}

bool name_index_add_locals(struct name_index *index)
{
    uint32_t count = index->count;
    uint64_t start = monotonic_us();
    if (index->has_locals)
        return true;
    index->has_locals = true;
    if (index->kept_locals) {
        index->count = index->kept_count;
        return true;
    }
    if (!name_kept_detach(index))
        return false;
    walk_all(index, true);
    if (!make_table(index)) {
        index->count = count;
        return false;
    }
    if (monotonic_us() - start >= user_cache_after_us())
        name_kept_save(index);
    return true;
}

const struct name_entry *name_index_find(const struct name_index *index, const char *name,
                                         const struct name_entry *after)
{
    uint32_t hash = after ? after->hash : hash_of(name);
    uint32_t at = after ? after->next : index->heads ? index->heads[hash & index->mask] : NO_ENTRY;
    /* Those inside of functions are last in each chain: unasked for, they are not there. */
    for (; at < index->count; at = index->entries[at].next) {
        const struct name_entry *entry = &index->entries[at];
        if (entry->hash == hash && strcmp(name_index_name(index, entry), name) == 0)
            return entry;
    }
    return NULL;
}

const char *name_index_name(const struct name_index *index, const struct name_entry *entry)
{
    return (const char *)(index->names + (uintptr_t)entry->name);
}

const struct name_entry *name_index_all(const struct name_index *index, size_t *count)
{
    *count = index->count;
    return index->entries;
}

const struct name_entry *name_index_parent(const struct name_index *index,
                                           const struct name_entry *entry)
{
    return entry->parent < index->count ? &index->entries[entry->parent] : NULL;
}

bool name_index_die(const struct name_index *index, const struct name_entry *entry, Dwarf_Die *ret)
{
    Dwarf *dwarf = dwarf_of(index);
    if (dwarf && entry->shared)
        dwarf = dwarf_getalt(dwarf);
    return dwarf && dwarf_offdie(dwarf, entry->offset, ret);
}
