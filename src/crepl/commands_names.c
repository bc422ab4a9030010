/* Commands that list the names of the program: variables, functions, types. */
#include "injector/cleanup.h"
#include "src/base_name.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/prototypes.h"
#include "src/crepl/type_print.h"
#include "src/types.h"

#include <dwarf.h>
#include <elf.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines that a terminal gets. */
#define SHOWN_MAX 200
#define DECLARATION_MAX 1024
/* Of one name that are compared with one another. */
#define NEIGHBOURS_MAX 32

enum listed {
    LISTED_VARIABLES,
    LISTED_FUNCTIONS,
    LISTED_TYPES,
};

/* One thing that has a name that fits. */
struct match {
    const char *name;
    struct module *module;
    size_t order;                   /* of the module: the program's is 0 */
    const struct name_index *index; /* NULL: a symbol without debug information */
    const struct name_entry *entry;
    Dwarf_Die die;
    const char *file; /* "" where it is not known */
    int line;
    uint64_t size; /* of a symbol, bytes */
    bool exists;   /* it has a place in the process */
    bool alone;    /* nothing else has its name */
};

struct listing {
    struct crepl *crepl;
    enum listed what;
    const regex_t *wanted; /* NULL: all of the program */
    bool by_scope;         /* the expression is about names with scopes */
    struct match *matches;
    size_t count, capacity;
    /* What is being looked at: */
    struct module *module;
    struct name_index *index;
    size_t order;
    bool no_memory;
};

/* --- What fits. --- */

static bool is_wanted(enum listed what, const struct name_entry *entry)
{
    if (entry->declaration)
        return false;
    switch (what) {
    case LISTED_VARIABLES:
        return entry->kind == NAME_VARIABLE;
    case LISTED_FUNCTIONS:
        return entry->kind == NAME_FUNCTION;
    case LISTED_TYPES:
        return entry->kind == NAME_TYPEDEF || entry->kind == NAME_STRUCT ||
               entry->kind == NAME_UNION || entry->kind == NAME_ENUM;
    }
    return false;
}

/* What an assembler tells of functions is less than the symbol. */
static bool is_assembler(Dwarf_Die *die)
{
    Dwarf_Die unit;
    return dwarf_diecu(die, &unit, NULL, NULL) && dwarf_srclang(&unit) == DW_LANG_Mips_Assembler;
}

static bool fits(const struct listing *listing, const struct match *match)
{
    CLEANUP_FREE char *spelled = NULL;
    const char *name = match->name;
    if (!listing->wanted)
        return true;
    if (listing->by_scope && match->index) {
        Dwarf_Die die = match->die;
        spelled = name_spell(match->index, match->entry, &die, true);
        name = spelled ? spelled : name;
    }
    return regexec(listing->wanted, name, 0, NULL, 0) == 0;
}

static bool append(struct listing *listing, const struct match *match)
{
    if (listing->count == listing->capacity) {
        size_t larger = listing->capacity ? 2 * listing->capacity : 256;
        struct match *matches = reallocarray(listing->matches, larger, sizeof(*matches));
        if (!matches) {
            listing->no_memory = true;
            return false;
        }
        listing->matches = matches;
        listing->capacity = larger;
    }
    listing->matches[listing->count++] = *match;
    return true;
}

/* The symbol may be all that is left of one that is equal to another. */
static bool exists(enum listed what, struct match *match)
{
    struct address address = {.kind = ADDRESS_NONE};
    if (what == LISTED_TYPES)
        return true;
    if (what == LISTED_VARIABLES)
        address_of_variable(match->module, &match->die, &address);
    else
        address_of_function(match->module, &match->die, &address);
    if (address.kind == ADDRESS_NONE)
        address_of_symbol(match->module, match->name, what == LISTED_FUNCTIONS, &address);
    return address.kind != ADDRESS_NONE;
}

static void find_place(struct listing *listing, struct match *match)
{
    const char *file = dwarf_decl_file(&match->die);
    match->file = file ? base_name(file) : "";
    if (!file || dwarf_decl_line(&match->die, &match->line) != 0)
        match->line = 0;
    match->exists = exists(listing->what, match);
}

static void add_entries(struct listing *listing)
{
    size_t count;
    struct name_index *index = listing->index;
    /* Without memory for them those inside of functions are missing. */
    if (listing->what == LISTED_VARIABLES)
        (void)name_index_add_locals(index);
    const struct name_entry *entries = name_index_all(index, &count);
    for (size_t i = 0; i < count && !listing->no_memory; i++) {
        struct match match = {.name = name_index_name(index, &entries[i]),
                              .module = listing->module,
                              .order = listing->order,
                              .index = index,
                              .entry = &entries[i]};
        if (!is_wanted(listing->what, &entries[i]) ||
            !name_index_die(index, &entries[i], &match.die) || is_assembler(&match.die) ||
            !fits(listing, &match))
            continue;
        find_place(listing, &match);
        (void)append(listing, &match);
    }
}

/* True when the debug information says more of a symbol; that of copies which the compiler made,
   and of mangled names, stands under other names. */
static bool is_described(const struct listing *listing, const char *name)
{
    const struct name_entry *entry = NULL;
    Dwarf_Die die;
    if (!listing->index)
        return false;
    if (strchr(name, '.') || strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0)
        return true;
    while ((entry = name_index_find(listing->index, name, entry)))
        if (is_wanted(listing->what, entry) && name_index_die(listing->index, entry, &die) &&
            !is_assembler(&die))
            return true;
    return false;
}

static bool add_symbol(const struct symbol *symbol, void *context)
{
    struct listing *listing = context;
    bool is_function = symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC;
    struct match match = {.name = symbol->name,
                          .module = listing->module,
                          .order = listing->order,
                          .file = "",
                          .size = symbol->size,
                          .exists = true};
    if (listing->what == LISTED_FUNCTIONS ? !is_function : symbol->type != STT_OBJECT)
        return true;
    return !*symbol->name || !fits(listing, &match) || is_described(listing, symbol->name) ||
           append(listing, &match);
}

/* Of the program; and where a name is asked for, of everything that is loaded. */
static void collect(struct listing *listing)
{
    while (!listing->no_memory &&
           names_module(listing->crepl->names, listing->order, &listing->module, &listing->index)) {
        bool skipped = names_is_manhole(listing->module);
        if (listing->index && !skipped)
            add_entries(listing);
        if (listing->what != LISTED_TYPES && !skipped && (listing->wanted || !listing->index))
            module_each_symbol(listing->module, add_symbol, listing);
        if (!listing->wanted)
            break;
        listing->order++;
    }
}

/* --- Each once, in order. --- */

static int compare_names(const struct match *a, const struct match *b)
{
    int order = strcmp(a->name, b->name);
    if (!order)
        order = (a->order > b->order) - (a->order < b->order);
    return order;
}

static int compare(const void *left, const void *right)
{
    const struct match *a = left, *b = right;
    int order = compare_names(a, b);
    if (!order)
        order = strcmp(a->file, b->file);
    if (!order)
        order = (a->line > b->line) - (a->line < b->line);
    if (!order && a->index && b->index)
        order = (a->entry->kind > b->entry->kind) - (a->entry->kind < b->entry->kind);
    return order;
}

/* True when no other of the name has to be told from it; struct a and typedef a have not. */
static bool is_alone(const struct listing *listing, size_t at)
{
    const struct match *match = &listing->matches[at];
    size_t first = at > NEIGHBOURS_MAX ? at - NEIGHBOURS_MAX : 0;
    size_t end = listing->count - at > NEIGHBOURS_MAX ? at + NEIGHBOURS_MAX : listing->count;
    for (size_t i = first; i < end; i++) {
        const struct match *other = &listing->matches[i];
        if (i != at && strcmp(other->name, match->name) == 0 &&
            (listing->what != LISTED_TYPES ||
             (other->entry->kind == match->entry->kind && other->module == match->module)))
            return false;
    }
    return true;
}

/* Each unit describes anew what is in a header; a function stands there once as it was written and
   once for each copy that was made of it. */
static void merge(struct listing *listing)
{
    size_t kept = 0;
    if (listing->count)
        qsort(listing->matches, listing->count, sizeof(*listing->matches), compare);
    for (size_t i = 0; i < listing->count; i++) {
        const struct match *match = &listing->matches[i];
        struct match *last = kept ? &listing->matches[kept - 1] : NULL;
        /* What has no line is one thing only if it is of the language itself, or of a symbol. */
        bool placed = match->line || !match->index || listing->what == LISTED_TYPES;
        if (last && placed && compare(last, match) == 0)
            last->exists |= match->exists;
        else
            listing->matches[kept++] = *match;
    }
    listing->count = kept;
    for (size_t i = 0; i < kept; i++)
        listing->matches[i].alone = is_alone(listing, i);
}

/* --- One line. --- */

static void write_declaration(const struct listing *listing, struct match *match, const char *name,
                              char *buffer, size_t size)
{
    Dwarf_Die type;
    Dwarf_Die function;
    switch (listing->what) {
    case LISTED_FUNCTIONS:
        function = name_written_function(&match->die);
        type_write_function(&function, name, buffer, size);
        return;
    case LISTED_VARIABLES:
        if (type_of(&match->die, &type))
            type_write_declaration(&type, name, buffer, size);
        else
            snprintf(buffer, size, "void %s", name);
        return;
    case LISTED_TYPES:
        if (match->entry->kind != NAME_TYPEDEF)
            snprintf(buffer, size, "%s %s",
                     match->entry->kind == NAME_STRUCT  ? "struct"
                     : match->entry->kind == NAME_UNION ? "union"
                                                        : "enum",
                     name);
        else if (dwarf_tag(&match->die) == DW_TAG_base_type)
            snprintf(buffer, size, "%s", name);
        else
            type_print_typedef(&match->die, name, buffer, size);
        return;
    }
}

static void print_described(FILE *out, const struct listing *listing, struct match *match)
{
    char text[DECLARATION_MAX];
    bool is_type = listing->what == LISTED_TYPES, is_static = !is_type && !match->entry->external;
    CLEANUP_FREE char *name = name_spell(match->index, match->entry, &match->die,
                                         (is_static || is_type) && !match->alone);
    write_declaration(listing, match, name ? name : match->name, text, sizeof(text));
    fprintf(out, "%s%s%s;", is_static ? "static " : "", text,
            strlen(text) + 1 == sizeof(text) ? "..." : "");
}

static void print_undescribed(FILE *out, const struct listing *listing, const struct match *match)
{
    bool is_function;
    const char *text = prototype_find(match->name, &is_function);
    if (text && is_function == (listing->what == LISTED_FUNCTIONS))
        fputs(text, out);
    else if (listing->what == LISTED_FUNCTIONS)
        fprintf(out, "long %s();", match->name);
    else
        fprintf(out, "char %s[%" PRIu64 "];", match->name, match->size);
}

/* Where it is: "file.c:12, no code of its own, libx.so". */
static void print_where(FILE *out, const struct listing *listing, const struct match *match)
{
    char place[256] = "";
    const char *absent = match->exists                       ? ""
                         : listing->what == LISTED_FUNCTIONS ? "no code of its own"
                                                             : "optimised out";
    const char *parts[] = {place, absent, match->order ? base_name(match->module->path) : ""};
    const char *between = " /* ";
    if (!match->index)
        snprintf(place, sizeof(place), "no debug information");
    else if (match->line)
        snprintf(place, sizeof(place), "%s:%d", match->file, match->line);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!*parts[i])
            continue;
        fprintf(out, "%s%s", between, parts[i]);
        between = ", ";
    }
    fputs(*between == ',' ? " */\n" : "\n", out);
}

static void print_match(FILE *out, const struct listing *listing, struct match *match)
{
    if (match->index)
        print_described(out, listing, match);
    else
        print_undescribed(out, listing, match);
    print_where(out, listing, match);
}

static void print_all(FILE *out, const struct listing *listing)
{
    static const char *const words[][2] = {
        [LISTED_VARIABLES] = {"variable", "variables"},
        [LISTED_FUNCTIONS] = {"function", "functions"},
        [LISTED_TYPES] = {"type", "types"},
    };
    bool bounded = listing->crepl->session->out->is_tty;
    size_t shown = bounded && listing->count > SHOWN_MAX ? SHOWN_MAX : listing->count;
    for (size_t i = 0; i < shown; i++)
        print_match(out, listing, &listing->matches[i]);
    if (shown < listing->count)
        fprintf(out, "... and %zu more\n", listing->count - shown);
    fprintf(out, "%zu %s%s\n", listing->count, words[listing->what][listing->count != 1],
            listing->wanted ? "" : " of the program itself ('.' lists those of its libraries too)");
}

static struct error *list(struct crepl *crepl, enum listed what, const regex_t *wanted,
                          bool by_scope)
{
    struct listing listing = {.crepl = crepl, .what = what, .wanted = wanted, .by_scope = by_scope};
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return error_no_memory();
    collect(&listing);
    merge(&listing);
    print_all(out, &listing);
    free(listing.matches);
    if (fclose(out) != 0 || listing.no_memory)
        return error_no_memory();
    terminal_write(crepl->session->out, text, size);
    return NULL;
}

/* --- The commands. --- */

static struct error *run(struct crepl *crepl, enum listed what, const char *arguments,
                         struct session_answer *ret)
{
    regex_t wanted;
    CLEANUP_FREE char *pattern = strdup(arguments);
    if (!pattern)
        return error_no_memory();
    for (size_t length = strlen(pattern); length && strchr(" \t\n", pattern[length - 1]);)
        pattern[--length] = '\0';
    if (!*pattern)
        return list(crepl, what, NULL, false);
    int wrong = regcomp(&wanted, pattern, REG_EXTENDED | REG_NOSUB);
    if (wrong) {
        char why[128];
        regerror(wrong, &wanted, why, sizeof(why));
        answer_refuse(ret, "%s: no extended regular expression: %s", pattern, why);
        return NULL;
    }
    struct error *error = list(crepl, what, &wanted, strstr(pattern, "::") != NULL);
    regfree(&wanted);
    return error;
}

struct error *command_vars(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret)
{
    (void)format;
    return run(crepl, LISTED_VARIABLES, arguments, ret);
}

struct error *command_functions(struct crepl *crepl, const char *format, const char *arguments,
                                struct session_answer *ret)
{
    (void)format;
    return run(crepl, LISTED_FUNCTIONS, arguments, ret);
}

struct error *command_types(struct crepl *crepl, const char *format, const char *arguments,
                            struct session_answer *ret)
{
    (void)format;
    return run(crepl, LISTED_TYPES, arguments, ret);
}
