#include "src/lines.h"

#include "src/debug_copy.h"
#include "src/ranges.h"
#include "src/user_cache.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Functions of one compilation unit. */
struct unit {
    Dwarf_Off offset; /* of its DIE: the key */
    struct ranges functions;
    UT_hash_handle hh;
};

/* One file with debug information, or a copy of it. */
struct debug_source {
    Dwarf *dwarf; /* NULL: none, or it was not found */
    int fd;       /* the file; borrowed */
    struct user_cache_key key;
    bool has_key;
    struct user_cache_file copy; /* what `dwarf` was opened from, if its fd is one */
};

struct lines {
    struct debug_source own;
    struct debug_source shared; /* what dwz(1) moved elsewhere */
    bool is_split;              /* it did */
    uint64_t bias;
    bool units_indexed;
    struct ranges unit_ranges; /* for units that .debug_aranges leaves out: clang makes none */
    struct unit *units;
};

/* Nesting of namespaces, classes and blocks beyond which DWARF must be broken. */
#define DEPTH_MAX 256

/*
 * What dwarf_getalt leaves behind when there is none (libdw/dwarf_getalt.c, elfutils 0.159 to
 * 0.192). Without it libdw would look by itself: for a path of the file's choice in our own root,
 * whatever that is and whatever its build-id.
 */
#define NO_SHARED_FILE ((Dwarf *)-1)

static bool open_source(struct debug_source *source, int fd, const uint8_t *build_id,
                        size_t build_id_size)
{
    *source = (struct debug_source){.fd = fd, .copy = {.fd = -1}};
    if (fd < 0)
        return false;
    source->has_key = user_cache_key(fd, build_id, build_id_size, &source->key);
    if (source->has_key && debug_copy_open(&source->key, &source->copy))
        source->dwarf = dwarf_begin(source->copy.fd, DWARF_C_READ);
    if (!source->dwarf) {
        user_cache_close(&source->copy);
        source->dwarf = dwarf_begin(fd, DWARF_C_READ);
    }
    return source->dwarf;
}

static void close_source(struct debug_source *source)
{
    dwarf_end(source->dwarf);
    user_cache_close(&source->copy);
}

static void keep_source(const struct debug_source *source)
{
    if (source->dwarf && source->has_key && source->copy.fd < 0)
        debug_copy_save(&source->key, source->fd, source->dwarf);
}

static void open_shared(struct lines *lines, struct module *module)
{
    const char *name;
    const void *id;
    ssize_t size = dwelf_dwarf_gnu_debugaltlink(lines->own.dwarf, &name, &id);
    lines->shared = (struct debug_source){.fd = -1, .copy = {.fd = -1}};
    if (size <= 0)
        return;
    lines->is_split = true;
    (void)open_source(&lines->shared, module_shared_debug_file(module, name, id, (size_t)size), id,
                      (size_t)size);
    dwarf_setalt(lines->own.dwarf, lines->shared.dwarf ? lines->shared.dwarf : NO_SHARED_FILE);
}

struct lines *lines_open(struct module *module)
{
    const char *path;
    int fd = module_debug_file(module, &path);
    if (fd < 0)
        return NULL;
    struct lines *lines = calloc(1, sizeof(*lines));
    if (!lines)
        return NULL;
    if (!open_source(&lines->own, fd, module->build_id, module->build_id_size)) {
        free(lines);
        return NULL;
    }
    lines->bias = module->bias;
    open_shared(lines, module);
    return lines;
}

void lines_close(struct lines *lines)
{
    if (!lines)
        return;
    struct unit *unit, *next;
    HASH_ITER(hh, lines->units, unit, next)
    {
        HASH_DEL(lines->units, unit);
        ranges_deinit(&unit->functions);
        free(unit);
    }
    ranges_deinit(&lines->unit_ranges);
    close_source(&lines->own);
    close_source(&lines->shared);
    free(lines);
}

Dwarf *lines_dwarf(struct lines *lines)
{
    return lines->own.dwarf;
}

bool lines_are_complete(const struct lines *lines)
{
    return !lines->is_split || lines->shared.dwarf;
}

void lines_keep(const struct lines *lines)
{
    keep_source(&lines->own);
    keep_source(&lines->shared);
}

/* Adds all address ranges of a DIE under its offset. */
static bool add_ranges(struct ranges *ranges, Dwarf_Die *die)
{
    Dwarf_Addr base, low, high;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
        /* Address 0 is code that the linker dropped. */
        if (low && low < high && !ranges_add(ranges, low, high, dwarf_dieoffset(die)))
            return false;
    }
    return true;
}

static void index_units(struct lines *lines)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    lines->units_indexed = true;
    while (dwarf_get_units(lines->own.dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0) {
        if (!add_ranges(&lines->unit_ranges, &die))
            break;
    }
    ranges_sort(&lines->unit_ranges);
}

static bool find_unit(struct lines *lines, Dwarf_Addr address, Dwarf_Die *ret)
{
    const struct range *range;
    if (dwarf_addrdie(lines->own.dwarf, address, ret))
        return true;
    if (!lines->units_indexed)
        index_units(lines);
    range = ranges_find(&lines->unit_ranges, address);
    return range && dwarf_offdie(lines->own.dwarf, range->value, ret);
}

/* Functions may stand within these; those within functions are nested ones. */
static bool may_hold_functions(int tag)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_module:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
        return true;
    default:
        return false;
    }
}

static bool index_functions(struct ranges *functions, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram && !add_ranges(functions, &die))
            return false;
        if (may_hold_functions(tag) && dwarf_haschildren(&die) > 0 &&
            !index_functions(functions, &die, depth + 1))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

static struct unit *get_unit(struct lines *lines, Dwarf_Die *die)
{
    Dwarf_Off offset = dwarf_dieoffset(die);
    struct unit *unit;
    HASH_FIND(hh, lines->units, &offset, sizeof(offset), unit);
    if (unit)
        return unit;
    unit = calloc(1, sizeof(*unit));
    if (!unit)
        return NULL;
    unit->offset = offset;
    HASH_ADD(hh, lines->units, offset, sizeof(offset), unit);
    if (!unit->hh.tbl) { /* no memory for the table */
        free(unit);
        return NULL;
    }
    /* What memory does not suffice for stays unknown. */
    (void)index_functions(&unit->functions, die, 0);
    ranges_sort(&unit->functions);
    return unit;
}

/* The linkage name, which tells overloads apart, or the plain name; as eu-stack prints them. */
static const char *die_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute)) {
        const char *name = dwarf_formstring(&attribute);
        if (name)
            return name;
    }
    if (dwarf_attr_integrate(die, DW_AT_name, &attribute))
        return dwarf_formstring(&attribute);
    return NULL;
}

static int number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0 ||
        value > INT32_MAX)
        return 0;
    return (int)value;
}

/* Where the source calls an inlined function. */
static void set_call_site(Dwarf_Die *inlined, struct source_frame *ret)
{
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;
    int file = number(inlined, DW_AT_call_file);
    if (!dwarf_hasattr(inlined, DW_AT_call_file) || !dwarf_diecu(inlined, &unit, NULL, NULL) ||
        dwarf_getsrcfiles(&unit, &files, &count) != 0 || (size_t)file >= count)
        return;
    ret->file = dwarf_filesrc(files, (size_t)file, NULL, NULL);
    ret->line = number(inlined, DW_AT_call_line);
    ret->column = number(inlined, DW_AT_call_column);
}

/*
 * The chain of inlined calls that covers the address, outermost first. A block that says no
 * addresses may hold some that do.
 */
static size_t find_inlined(Dwarf_Die *parent, Dwarf_Addr address, Dwarf_Die *chain, size_t count,
                           unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || count == SOURCE_FRAMES_MAX - 1 || dwarf_child(parent, &die) != 0)
        return count;
    do {
        int tag = dwarf_tag(&die);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block)
            continue;
        bool covers = dwarf_haspc(&die, address) > 0;
        if (tag == DW_TAG_inlined_subroutine && covers) {
            chain[count] = die;
            return find_inlined(&die, address, chain, count + 1, depth + 1);
        }
        bool unbounded = !dwarf_hasattr(&die, DW_AT_ranges) && !dwarf_hasattr(&die, DW_AT_low_pc);
        if (tag == DW_TAG_lexical_block && (covers || unbounded)) {
            size_t found = find_inlined(&die, address, chain, count, depth + 1);
            if (covers || found > count)
                return found;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return count;
}

static void set_line(Dwarf_Die *unit, Dwarf_Addr address, struct source_frame *ret)
{
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    if (!line)
        return;
    ret->file = dwarf_linesrc(line, NULL, NULL);
    if (dwarf_lineno(line, &ret->line) != 0)
        ret->line = 0;
    if (dwarf_linecol(line, &ret->column) != 0)
        ret->column = 0;
}

/* The range of the physical function at an address, and its entry; NULL: not known. */
static const struct range *find_function(struct lines *lines, Dwarf_Die *unit_die,
                                         Dwarf_Addr address, Dwarf_Die *ret)
{
    const struct unit *unit = get_unit(lines, unit_die);
    const struct range *range = unit ? ranges_find(&unit->functions, address) : NULL;
    return range && dwarf_offdie(lines->own.dwarf, range->value, ret) ? range : NULL;
}

size_t lines_find(struct lines *lines, uint64_t address, bool inlines,
                  struct source_frame frames[SOURCE_FRAMES_MAX])
{
    Dwarf_Addr at = address - lines->bias;
    Dwarf_Die unit_die, function, chain[SOURCE_FRAMES_MAX];
    if (!find_unit(lines, at, &unit_die))
        return 0;
    const struct range *known = find_function(lines, &unit_die, at, &function);

    size_t count = known && inlines ? find_inlined(&function, at, chain, 0, 0) : 0;
    for (size_t i = 0; i <= count; i++)
        frames[i] = (struct source_frame){0};
    set_line(&unit_die, at, &frames[0]);
    for (size_t i = 0; i < count; i++) {
        Dwarf_Die *inlined = &chain[count - 1 - i];
        frames[i].name = die_name(inlined);
        set_call_site(inlined, &frames[i + 1]);
    }
    if (known) {
        frames[count].name = die_name(&function);
        frames[count].start = known->start + lines->bias;
    }
    return count + 1;
}

size_t lines_find_entries(struct lines *lines, uint64_t address, bool inlines,
                          Dwarf_Die entries[SOURCE_FRAMES_MAX])
{
    Dwarf_Addr at = address - lines->bias;
    Dwarf_Die unit_die, function, chain[SOURCE_FRAMES_MAX];
    if (!find_unit(lines, at, &unit_die) || !find_function(lines, &unit_die, at, &function))
        return 0;
    size_t count = inlines ? find_inlined(&function, at, chain, 0, 0) : 0;
    for (size_t i = 0; i < count; i++)
        entries[i] = chain[count - 1 - i];
    entries[count] = function;
    return count + 1;
}
