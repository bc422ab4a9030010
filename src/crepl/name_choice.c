#include "src/crepl/names_private.h"

#include "injector/cleanup.h"
#include "src/crepl/signature.h"
#include "src/types.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one name in one module: a type that each unit describes anew may have as many. */
#define CANDIDATES_MAX 512
/* What a message lists. */
#define LISTED_MAX 12

struct candidate {
    const struct name_entry *entry;
    Dwarf_Die die;
    struct address address; /* of values */
    char *signature;        /* of types */
    bool incomplete;        /* a typedef of what its unit only declares */
};

struct choice {
    struct module *module;
    struct name_index *index;
    const struct name_query *query;
    struct candidate *candidates;
    size_t count;
};

/* --- Which entries fit. --- */

/* "b.c" and "lib/b.c" fit "src/lib/b.c". */
static bool fits_file(Dwarf_Die *die, const char *file)
{
    const char *name = name_unit(die);
    size_t length = strlen(name), wanted = strlen(file);
    return length >= wanted && strcmp(name + length - wanted, file) == 0 &&
           (length == wanted || name[length - wanted - 1] == '/');
}

/* The scopes asked for are among those around it, in their order: inline namespaces may be left
   out. Without any asked for everything fits. */
static bool fits_scopes(const struct choice *choice, const struct name_entry *entry, Dwarf_Die *die)
{
    size_t left = choice->query->scope_count;
    if (!left)
        return true;
    entry = name_specified(choice->index, entry, die);
    while (left && (entry = name_index_parent(choice->index, entry))) {
        if (strcmp(name_index_name(choice->index, entry), choice->query->scopes[left - 1]) == 0)
            left--;
    }
    return !left;
}

/* Constructors: C has no use for them, and their name is that of the class. */
static bool is_constructor(const struct choice *choice, const struct name_entry *entry,
                           Dwarf_Die *die)
{
    if (entry->kind != NAME_FUNCTION)
        return false;
    const struct name_entry *scope =
        name_index_parent(choice->index, name_specified(choice->index, entry, die));
    return scope && scope->kind == NAME_STRUCT &&
           strcmp(name_index_name(choice->index, scope), name_index_name(choice->index, entry)) ==
               0;
}

static bool fits_kind(const struct choice *choice, const struct name_entry *entry)
{
    bool is_tag =
        entry->kind == NAME_STRUCT || entry->kind == NAME_UNION || entry->kind == NAME_ENUM;
    if (entry->kind == NAME_NAMESPACE)
        return false;
    if (is_tag || entry->kind == NAME_TYPEDEF)
        return !entry->declaration && (is_tag || !choice->query->tag);
    return !choice->query->tag && !choice->query->type_place;
}

static void find_address(struct choice *choice, struct candidate *candidate)
{
    if (candidate->entry->declaration)
        return;
    if (candidate->entry->kind == NAME_VARIABLE)
        address_of_variable(choice->module, &candidate->die, &candidate->address);
    else if (candidate->entry->kind == NAME_FUNCTION)
        address_of_function(choice->module, &candidate->die, &candidate->address);
}

static bool collect(struct choice *choice)
{
    const struct name_entry *entry = NULL;
    choice->candidates = calloc(CANDIDATES_MAX, sizeof(*choice->candidates));
    if (!choice->candidates)
        return false;
    while (choice->count < CANDIDATES_MAX &&
           (entry = name_index_find(choice->index, choice->query->name, entry))) {
        struct candidate *candidate = &choice->candidates[choice->count];
        *candidate = (struct candidate){.entry = entry};
        if (!fits_kind(choice, entry) || !name_index_die(choice->index, entry, &candidate->die) ||
            (choice->query->file && !fits_file(&candidate->die, choice->query->file)) ||
            !fits_scopes(choice, entry, &candidate->die) ||
            is_constructor(choice, entry, &candidate->die))
            continue;
        find_address(choice, candidate);
        choice->count++;
    }
    return true;
}

static void choice_deinit(struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++)
        free(choice->candidates[i].signature);
    free(choice->candidates);
}

/* --- Several. --- */

static bool is_value(const struct candidate *candidate)
{
    return candidate->entry->kind == NAME_VARIABLE || candidate->entry->kind == NAME_FUNCTION;
}

static bool exists(const struct candidate *candidate)
{
    return is_value(candidate) && candidate->address.kind != ADDRESS_NONE &&
           candidate->address.kind != ADDRESS_CHANGED;
}

/* What somebody would type for this one. */
static void print_qualified(FILE *text, const struct choice *choice, struct candidate *candidate)
{
    const char *linkage = name_linkage(&candidate->die);
    /* Overloaded functions differ in that alone. */
    if (candidate->entry->kind == NAME_FUNCTION && linkage &&
        strcmp(linkage, choice->query->name) != 0) {
        fputs(linkage, text);
        return;
    }
    CLEANUP_FREE char *name = name_spell(choice->index, candidate->entry, &candidate->die, true);
    fputs(name ? name : choice->query->name, text);
}

/* Copies of one inline function of a header: each unit that uses it may have one. */
static bool same_function(const struct candidate *a, const struct candidate *b)
{
    Dwarf_Die one = a->die, other = b->die;
    int line, other_line;
    if (a->entry->kind != NAME_FUNCTION || b->entry->kind != NAME_FUNCTION ||
        dwarf_decl_line(&one, &line) != 0 || dwarf_decl_line(&other, &other_line) != 0 ||
        line != other_line)
        return false;
    const char *file = dwarf_decl_file(&one), *other_file = dwarf_decl_file(&other);
    return file && other_file && strcmp(file, other_file) == 0;
}

static bool same(const struct candidate *a, const struct candidate *b)
{
    if (a->signature || b->signature)
        return a->signature && b->signature && strcmp(a->signature, b->signature) == 0;
    return (a->address.kind == b->address.kind && a->address.value == b->address.value) ||
           same_function(a, b);
}

/* "is ambiguous: say a.c::name or b.c::name". */
static enum named_result refuse_several(struct choice *choice,
                                        bool (*counts)(const struct candidate *), char **why)
{
    size_t size, listed = 0;
    FILE *text = open_memstream(why, &size);
    if (!text)
        return NAMED_REFUSED;
    fputs("is ambiguous: say ", text);
    for (size_t i = 0; i < choice->count && listed < LISTED_MAX; i++) {
        bool repeated = !counts(&choice->candidates[i]);
        for (size_t j = 0; j < i && !repeated; j++)
            repeated = counts(&choice->candidates[j]) &&
                       same(&choice->candidates[i], &choice->candidates[j]);
        if (repeated)
            continue;
        if (listed++)
            fputs(" or ", text);
        print_qualified(text, choice, &choice->candidates[i]);
    }
    if (fclose(text) != 0) {
        free(*why);
        *why = NULL;
    }
    return NAMED_REFUSED;
}

static enum named_result refuse(char **why, const char *text)
{
    *why = strdup(text);
    return NAMED_REFUSED;
}

/* --- Values. --- */

static void set_named(const struct choice *choice, struct candidate *candidate, struct named *ret)
{
    bool is_function = candidate->entry->kind == NAME_FUNCTION;
    *ret = (struct named){
        .kind = is_function ? NAMED_FUNCTION : NAMED_VARIABLE,
        .module = choice->module,
        .die = is_function ? name_written_function(&candidate->die) : candidate->die,
        .address = candidate->address,
        .is_function = is_function,
    };
}

/* At file level, or in the scope asked for: those before what stands deeper. */
static bool is_near(const struct choice *choice, struct candidate *candidate)
{
    const struct name_entry *entry =
        name_specified(choice->index, candidate->entry, &candidate->die);
    return entry->parent == NAME_NO_PARENT || choice->query->scope_count;
}

/* The one that exists: an external one first, then the only one. */
static enum named_result choose_existing(struct choice *choice, struct named *ret, char **why)
{
    struct candidate *best = NULL;
    unsigned best_rank = 0;
    bool several = false;
    for (size_t i = 0; i < choice->count; i++) {
        struct candidate *candidate = &choice->candidates[i];
        if (!exists(candidate))
            continue;
        unsigned rank =
            1 + (candidate->entry->external ? 1u : 0u) + (is_near(choice, candidate) ? 2u : 0u);
        if (rank > best_rank) {
            best = candidate;
            best_rank = rank;
            several = false;
        } else if (rank == best_rank && !same(best, candidate)) {
            several = true;
        }
    }
    if (!best)
        return NAMED_UNKNOWN;
    if (several)
        return refuse_several(choice, exists, why);
    set_named(choice, best, ret);
    return NAMED_FOUND;
}

/* Why what is defined has no address. A symbol may still have it. */
static enum named_result explain_missing(struct choice *choice, struct candidate *candidate,
                                         struct named *ret, bool *declared, char **why)
{
    const char *linkage = name_linkage(&candidate->die);
    const char *changed = NULL;
    bool is_function = candidate->entry->kind == NAME_FUNCTION;
    struct address address = {.kind = ADDRESS_NONE};
    if (linkage)
        address_of_symbol(choice->module, linkage, is_function, &address);
    set_named(choice, candidate, ret);
    ret->address = address;
    if (address.kind != ADDRESS_NONE ||
        (choice->query->any_place && !candidate->entry->declaration))
        return NAMED_FOUND;
    for (size_t i = 0; i < choice->count; i++) {
        const struct address *other = &choice->candidates[i].address;
        if (other->kind == ADDRESS_CHANGED)
            changed = other->symbol ? other->symbol : "one that the compiler marks";
    }
    if (changed) {
        if (asprintf(why,
                     "cannot be called: the only copy (%s) takes other arguments than the source "
                     "says",
                     changed) < 0)
            *why = NULL;
        return NAMED_REFUSED;
    }
    if (candidate->entry->declaration) {
        *declared = true;
        return NAMED_FOUND;
    }
    /* With link time optimisation a mere declaration does not look like one. */
    *declared = is_function && candidate->entry->external;
    if (is_function)
        return refuse(why, "has no code of its own: it is inlined wherever it is called");
    return refuse(why, "is optimised out: the compiler left no place for it");
}

static enum named_result choose_value(struct choice *choice, struct named *ret, bool *declared,
                                      char **why)
{
    enum named_result result = choose_existing(choice, ret, why);
    if (result != NAMED_UNKNOWN)
        return result;
    struct candidate *best = NULL;
    for (size_t i = 0; i < choice->count; i++) {
        struct candidate *candidate = &choice->candidates[i];
        /* A definition tells more than a declaration. */
        if (is_value(candidate) &&
            (!best || (best->entry->declaration && !candidate->entry->declaration)))
            best = candidate;
    }
    return best ? explain_missing(choice, best, ret, declared, why) : NAMED_UNKNOWN;
}

/* --- Types and enumerators. --- */

static bool is_typedef(const struct candidate *candidate)
{
    return candidate->entry->kind == NAME_TYPEDEF;
}

static bool is_tag(const struct candidate *candidate)
{
    return candidate->entry->kind == NAME_STRUCT || candidate->entry->kind == NAME_UNION ||
           candidate->entry->kind == NAME_ENUM;
}

static bool is_enumerator(const struct candidate *candidate)
{
    return candidate->entry->kind == NAME_ENUMERATOR;
}

/* Typedefs are equal that name equal types. */
static char *signature_of(struct candidate *candidate)
{
    Dwarf_Die type;
    if (candidate->entry->kind != NAME_TYPEDEF || !type_of(&candidate->die, &type) ||
        !type_strip(&type, &type))
        return type_signature(&candidate->die);
    char *signature = type_signature(&type), *both = NULL;
    char name[256];
    candidate->incomplete = dwarf_hasattr(&type, DW_AT_declaration);
    type_write_name(&candidate->die, name, sizeof(name));
    if (!signature || asprintf(&both, "%s %s", name, signature) < 0)
        both = NULL;
    free(signature);
    return both;
}

/* What is in functions counts only without others; then what is in other scopes; and then what
   hides a definition of another unit. */
static unsigned rank_of_type(const struct choice *choice, const struct candidate *candidate)
{
    return (candidate->entry->in_function ? 0u : 4u) +
           (candidate->entry->parent == NAME_NO_PARENT || choice->query->scope_count ? 2u : 0u) +
           (candidate->incomplete ? 0u : 1u);
}

/* All candidates of a kind and rank have to be one thing. */
static enum named_result choose_same(struct choice *choice,
                                     bool (*counts)(const struct candidate *), enum named_kind kind,
                                     struct named *ret, char **why)
{
    struct candidate *best = NULL;
    bool several = false;
    for (size_t i = 0; i < choice->count; i++) {
        struct candidate *candidate = &choice->candidates[i];
        if (!counts(candidate))
            continue;
        if (!candidate->signature)
            candidate->signature = signature_of(candidate);
        unsigned rank = rank_of_type(choice, candidate);
        if (!best || rank > rank_of_type(choice, best)) {
            best = candidate;
            several = false;
        } else if (rank == rank_of_type(choice, best)) {
            several |= !same(best, candidate);
        }
    }
    if (!best)
        return NAMED_UNKNOWN;
    if (several)
        return refuse_several(choice, counts, why);
    *ret = (struct named){.kind = kind, .module = choice->module, .die = best->die};
    return NAMED_FOUND;
}

static enum named_result choose(struct choice *choice, struct named *ret, bool *declared,
                                char **why)
{
    enum named_result result = NAMED_UNKNOWN;
    if (!choice->query->tag && !choice->query->type_place)
        result = choose_value(choice, ret, declared, why);
    if (result == NAMED_UNKNOWN && !choice->query->tag)
        result = choose_same(choice, is_typedef, NAMED_TYPE, ret, why);
    if (result == NAMED_UNKNOWN)
        result = choose_same(choice, is_enumerator, NAMED_ENUMERATOR, ret, why);
    if (result == NAMED_UNKNOWN)
        result = choose_same(choice, is_tag, NAMED_TYPE, ret, why);
    return result;
}

enum named_result name_choose(struct module *module, struct name_index *index,
                              const struct name_query *query, struct named *ret, bool *declared,
                              char **why)
{
    struct choice choice = {.module = module, .index = index, .query = query};
    *declared = false;
    enum named_result result =
        collect(&choice) ? choose(&choice, ret, declared, why) : NAMED_REFUSED;
    choice_deinit(&choice);
    return result;
}
