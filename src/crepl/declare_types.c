/* Types in C: their tags, and declarations of what has them. */
#include "src/crepl/declare_private.h"

#include "src/crepl/base_types.h"
#include "src/crepl/by_value.h"
#include "src/crepl/signature.h"
#include "src/types.h"

#include <ctype.h>
#include <dwarf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 64
#define DEPTH_MAX 32
#define PARAMETERS_MAX 256
#define TAG_MAX 200

/* --- Tags. --- */

char *c_identifier(const char *name)
{
    size_t length = strnlen(name, TAG_MAX), used = 0;
    char *identifier = malloc(length + 3);
    if (!identifier)
        return NULL;
    if (!length || isdigit((unsigned char)name[0]))
        identifier[used++] = '_';
    for (size_t i = 0; i < length; i++)
        identifier[used++] = isalnum((unsigned char)name[i]) ? name[i] : '_';
    if (token_is_keyword(identifier, used))
        identifier[used++] = '_';
    identifier[used] = '\0';
    return identifier;
}

/* The stem itself, or with the first number behind it that nobody has. */
static char *free_tag(const struct declarer *declarer, const char *stem)
{
    for (unsigned number = 1;; number++) {
        char *tag = NULL;
        struct ctype *taken;
        if (asprintf(&tag, number > 1 ? "%s__%u" : "%s", stem, number) < 0)
            return NULL;
        HASH_FIND(by_tag, declarer->by_tag, tag, strlen(tag), taken);
        if (!taken)
            return tag;
        free(tag);
    }
}

static const char *stem_without_name(int tag)
{
    switch (tag) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return "anonymous_struct";
    case DW_TAG_union_type:
        return "anonymous_union";
    default:
        return "anonymous_enum";
    }
}

static char *make_tag(const struct declarer *declarer, Dwarf_Die *die, const char *hint)
{
    const char *name = type_die_name(die);
    if (!name || !*name)
        name = hint;
    char *stem = c_identifier(name ? name : stem_without_name(dwarf_tag(die)));
    char *tag = stem ? free_tag(declarer, stem) : NULL;
    free(stem);
    return tag;
}

/* What C has no type for: its name may be a keyword of some compiler. */
static char *make_bytes_tag(const struct declarer *declarer, Dwarf_Die *die, const char *hint)
{
    const char *name = type_die_name(die);
    char *stem = NULL, *tag = NULL;
    if (asprintf(&stem, "bytes_of_%s", name ? name : hint ? hint : "vector") < 0)
        return NULL;
    char *identifier = c_identifier(stem);
    free(stem);
    if (identifier)
        tag = free_tag(declarer, identifier);
    free(identifier);
    return tag;
}

static void ctype_destroy(struct ctype *type)
{
    if (!type)
        return;
    free(type->tag);
    free(type->signature);
    free(type);
}

/* Takes the signature. NULL without memory. */
static struct ctype *ctype_create(struct declarer *declarer, struct module *module, Dwarf_Die *die,
                                  const char *hint, char *signature)
{
    struct ctype *type = calloc(1, sizeof(*type));
    int tag = dwarf_tag(die);
    if (!type) {
        free(signature);
        return NULL;
    }
    *type = (struct ctype){.die = *die,
                           .module = module,
                           .signature = signature,
                           .is_bytes = !layout_is_aggregate(tag) && tag != DW_TAG_enumeration_type};
    type->tag =
        type->is_bytes ? make_bytes_tag(declarer, die, hint) : make_tag(declarer, die, hint);
    type->keyword = tag == DW_TAG_union_type         ? "union"
                    : tag == DW_TAG_enumeration_type ? "enum"
                                                     : "struct";
    if (type->tag)
        HASH_ADD_KEYPTR(by_tag, declarer->by_tag, type->tag, strlen(type->tag), type);
    if (!type->by_tag.tbl) {
        ctype_destroy(type);
        return NULL;
    }
    HASH_ADD_KEYPTR(by_signature, declarer->by_signature, type->signature, strlen(type->signature),
                    type);
    if (type->by_signature.tbl)
        return type;
    HASH_DELETE(by_tag, declarer->by_tag, type);
    ctype_destroy(type);
    return NULL;
}

static void remember(struct declarer *declarer, const Dwarf_Die *die, struct ctype *type)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    if (!seen)
        return; /* it will be found by its signature again */
    *seen = (struct seen){.die = die->addr, .type = type};
    HASH_ADD_PTR(declarer->seen, die, seen);
    if (!seen->hh.tbl)
        free(seen);
}

struct ctype *ctype_get(struct declarer *declarer, struct module *module, Dwarf_Die *die,
                        const char *hint)
{
    struct seen *seen;
    struct ctype *type = NULL;
    const void *key = die->addr;
    HASH_FIND_PTR(declarer->seen, &key, seen);
    if (seen)
        return seen->type;
    char *signature = type_signature(die);
    if (signature)
        HASH_FIND(by_signature, declarer->by_signature, signature, strlen(signature), type);
    if (type)
        free(signature);
    else if (signature)
        type = ctype_create(declarer, module, die, hint, signature);
    if (type)
        remember(declarer, die, type);
    else
        declarer->no_memory = true;
    return type;
}

bool declarer_find_type(struct declarer *declarer, const char *name, struct declared_type *ret)
{
    struct ctype *type;
    const char *tag = strrchr(name, ' ');
    tag = tag ? tag + 1 : name;
    HASH_FIND(by_tag, declarer->by_tag, tag, strlen(tag), type);
    if (!type)
        return false;
    *ret = (struct declared_type){.die = type->die, .module = type->module};
    return true;
}

void ctypes_forget(struct declarer *declarer)
{
    struct seen *seen, *next_seen;
    struct ctype *type, *next;
    HASH_ITER(hh, declarer->seen, seen, next_seen)
    {
        HASH_DEL(declarer->seen, seen);
        free(seen);
    }
    HASH_CLEAR(by_signature, declarer->by_signature);
    HASH_ITER(by_tag, declarer->by_tag, type, next)
    {
        HASH_DELETE(by_tag, declarer->by_tag, type);
        ctype_destroy(type);
    }
}

/* --- Declarators. --- */

/* One that is being made. */
struct making {
    struct declarer *declarer;
    struct module *module;
    unsigned depth;
};

static char *make(struct making *making, const Dwarf_Die *type, char *inner, enum type_use use);

/* A new text; frees `inner`. NULL without memory. */
static char *text(struct making *making, char *inner, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static char *text(struct making *making, char *inner, const char *format, ...)
{
    char *result = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (!inner || vasprintf(&result, format, arguments) < 0) {
        making->declarer->no_memory = true;
        result = NULL;
    }
    va_end(arguments);
    free(inner);
    return result;
}

/* "const volatile WORD inner". */
static char *put_before(struct making *making, const char *qualifiers, const char *word,
                        char *inner)
{
    return text(making, inner, "%s%s%s%s", qualifiers, word, inner && *inner ? " " : "",
                inner ? inner : "");
}

/* What stands around a type, and what it is then. */
struct wrapped {
    Dwarf_Die die;
    bool is_void;
    char qualifiers[32]; /* with a blank at the end, or empty */
    const char *name;    /* of the innermost typedef, or NULL */
};

static void unwrap(struct making *making, const Dwarf_Die *type, enum type_use use,
                   struct wrapped *ret)
{
    bool is_const = false, is_volatile = false;
    *ret = (struct wrapped){.is_void = !type};
    Dwarf_Die die;
    if (type)
        die = *type;
    for (unsigned i = 0; type && i < CHAIN_MAX; i++) {
        int tag = dwarf_tag(&die);
        /* What is atomic is read at least once, which is all that libtcc can do for it. */
        is_const |= tag == DW_TAG_const_type;
        is_volatile |= tag == DW_TAG_volatile_type || tag == DW_TAG_atomic_type;
        if (tag == DW_TAG_typedef)
            ret->name = type_die_name(&die);
        Dwarf_Die next;
        bool wraps = tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
                     tag == DW_TAG_atomic_type || tag == DW_TAG_typedef ||
                     tag == DW_TAG_restrict_type;
        if (!wraps)
            break;
        if (!type_of(&die, &next)) {
            ret->is_void = true;
            break;
        }
        die = next;
    }
    snprintf(ret->qualifiers, sizeof(ret->qualifiers), "%s%s",
             is_const && use == TYPE_POINTED ? "const " : "", is_volatile ? "volatile " : "");
    ret->is_void =
        ret->is_void || !layouts_strip(making->declarer->layouts, making->module, &die, &ret->die);
}

static char *make_tagged(struct making *making, struct wrapped *wrapped, char *inner,
                         enum type_use use)
{
    struct ctype *type = ctype_get(making->declarer, making->module, &wrapped->die, wrapped->name);
    if (!type) {
        free(inner);
        return NULL;
    }
    ctype_mention(making->declarer, type, use != TYPE_POINTED);
    if (use == TYPE_WHOLE)
        ctype_write(making->declarer, type);
    inner = put_before(making, "", type->tag, inner);
    return put_before(making, wrapped->qualifiers, type->keyword, inner);
}

static char *make_enumeration(struct making *making, struct wrapped *wrapped, char *inner,
                              enum type_use use)
{
    uint64_t size, alignment;
    const char *word = NULL;
    if (!layouts_measure(making->declarer->layouts, making->module, &wrapped->die, &size,
                         &alignment))
        size = sizeof(int);
    /* Those of libtcc are all as large as int. */
    if (size != sizeof(int))
        word = integer_type_text(size, type_is_signed(&wrapped->die));
    return word ? put_before(making, wrapped->qualifiers, word, inner)
                : make_tagged(making, wrapped, inner, use);
}

/* --- Pointers, arrays, functions. --- */

static bool is_being_written(struct making *making, struct module *module, const Dwarf_Die *type)
{
    Dwarf_Die die = *type;
    struct seen *seen;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        if (!layouts_strip(making->declarer->layouts, module, &die, &die))
            return false;
        if (dwarf_tag(&die) != DW_TAG_array_type)
            break;
        if (!type_of(&die, &die))
            return false;
    }
    const void *key = die.addr;
    HASH_FIND_PTR(making->declarer->seen, &key, seen);
    return seen && seen->type->round == making->declarer->round &&
           seen->type->written == WRITTEN_BEGUN;
}

/* True for what a pointer can only point to as void: arrays of unknown measure, functions that must
   not be called. */
static bool points_to_unspeakable(struct making *making, Dwarf_Die *target)
{
    Dwarf_Die refused;
    struct dimensions dimensions;
    uint64_t size, alignment;
    if (dwarf_tag(target) == DW_TAG_subroutine_type)
        return by_value_call_refused(making->declarer->layouts, making->module, target,
                                     making->declarer->passes_mixed, &refused) != NULL;
    if (dwarf_tag(target) != DW_TAG_array_type || dwarf_hasattr(target, DW_AT_GNU_vector))
        return false;
    layout_dimensions(target, &dimensions);
    return dimensions.variable || is_being_written(making, making->module, target) ||
           !layouts_measure(making->declarer->layouts, making->module, target, &size, &alignment);
}

static char *make_pointer(struct making *making, struct wrapped *wrapped, char *inner)
{
    Dwarf_Die target, stripped;
    bool has_target = type_of(&wrapped->die, &target);
    bool known =
        has_target && layouts_strip(making->declarer->layouts, making->module, &target, &stripped);
    int tag = known ? dwarf_tag(&stripped) : 0;
    bool encloses = (tag == DW_TAG_array_type && !dwarf_hasattr(&stripped, DW_AT_GNU_vector)) ||
                    tag == DW_TAG_subroutine_type;
    inner = text(making, inner, "*%s%s", wrapped->qualifiers, inner ? inner : "");
    if (known && points_to_unspeakable(making, &stripped))
        return make(making, NULL, inner, TYPE_POINTED);
    if (encloses)
        inner = text(making, inner, "(%s)", inner ? inner : "");
    return make(making, has_target ? &target : NULL, inner, TYPE_POINTED);
}

static char *make_array(struct making *making, struct wrapped *wrapped, char *inner)
{
    Dwarf_Die element;
    struct dimensions dimensions;
    if (dwarf_hasattr(&wrapped->die, DW_AT_GNU_vector))
        return make_tagged(making, wrapped, inner, TYPE_WHOLE);
    layout_dimensions(&wrapped->die, &dimensions);
    if (dimensions.open || dimensions.variable)
        inner = text(making, inner, "%s[]", inner ? inner : "");
    for (size_t i = 0; i < dimensions.count; i++)
        inner = text(making, inner, "%s[%" PRIu64 "]", inner ? inner : "", dimensions.lengths[i]);
    if (!type_of(&wrapped->die, &element))
        return put_before(making, wrapped->qualifiers, "char", inner);
    inner = make(making, &element, inner, TYPE_WHOLE);
    return text(making, inner, "%s%s", wrapped->qualifiers, inner ? inner : "");
}

/* In C a function without parameters may be one that does not say which it has. */
static bool says_parameters(Dwarf_Die *function)
{
    Dwarf_Die unit;
    if (dwarf_hasattr_integrate(function, DW_AT_prototyped) ||
        !dwarf_diecu(function, &unit, NULL, NULL))
        return true;
    int language = dwarf_srclang(&unit);
    return language != DW_LANG_C && language != DW_LANG_C89 && language != DW_LANG_C99 &&
           language != DW_LANG_C11;
}

static char *make_function(struct making *making, Dwarf_Die *function, char *inner)
{
    Dwarf_Die die, type, result;
    unsigned count = 0;
    bool says = says_parameters(function), open = false;
    inner = text(making, inner, "%s(", inner ? inner : "");
    if (says && dwarf_child(function, &die) == 0) {
        do {
            int tag = dwarf_tag(&die);
            open |= tag == DW_TAG_unspecified_parameters;
            if (tag != DW_TAG_formal_parameter || !type_of(&die, &type))
                continue;
            char *parameter = make(making, &type, strdup(""), TYPE_PASSED);
            inner = text(making, inner, "%s%s%s", inner ? inner : "", count++ ? ", " : "",
                         parameter ? parameter : "");
            free(parameter);
        } while (count < PARAMETERS_MAX && dwarf_siblingof(&die, &die) == 0);
    }
    const char *end = !says || (open && !count) ? ")" : open ? ", ...)" : count ? ")" : "void)";
    inner = text(making, inner, "%s%s", inner ? inner : "", end);
    return make(making, type_of(function, &result) ? &result : NULL, inner, TYPE_PASSED);
}

/* --- Everything. --- */

static char *make(struct making *making, const Dwarf_Die *type, char *inner, enum type_use use)
{
    struct wrapped wrapped;
    if (making->depth > DEPTH_MAX)
        return put_before(making, "", "void", inner);
    unwrap(making, type, use, &wrapped);
    if (wrapped.is_void)
        return put_before(making, wrapped.qualifiers, "void", inner);
    making->depth++;
    int tag = dwarf_tag(&wrapped.die);
    const char *word = NULL;
    char *result;
    switch (tag) {
    case DW_TAG_base_type:
        word = base_type_text(&wrapped.die);
        result = word ? put_before(making, wrapped.qualifiers, word, inner)
                      : make_tagged(making, &wrapped, inner, use);
        break;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        result = make_pointer(making, &wrapped, inner);
        break;
    case DW_TAG_array_type:
        result = make_array(making, &wrapped, inner);
        break;
    case DW_TAG_subroutine_type:
        result = make_function(making, &wrapped.die, inner);
        break;
    case DW_TAG_enumeration_type:
        result = make_enumeration(making, &wrapped, inner, use);
        break;
    case DW_TAG_unspecified_type:
        result = put_before(making, "void *", "", inner);
        break;
    default:
        result = make_tagged(making, &wrapped, inner, use);
        break;
    }
    making->depth--;
    return result;
}

char *declarator(struct declarer *declarer, struct module *module, const Dwarf_Die *type,
                 char *inner, enum type_use use)
{
    struct making making = {.declarer = declarer, .module = module};
    return make(&making, type, inner, use);
}

char *function_declarator(struct declarer *declarer, struct module *module, Dwarf_Die *function,
                          char *name)
{
    struct making making = {.declarer = declarer, .module = module};
    return make_function(&making, function, name);
}
