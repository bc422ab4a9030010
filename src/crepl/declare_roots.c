/* What the names of a snippet mean, in C. */
#include "src/crepl/declare_private.h"

#include "src/crepl/by_value.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- Results. --- */

void declaring_add_problem(struct declaring *declaring, enum problem_kind kind,
                           const struct root *root, const char *format, ...)
{
    struct declarations *ret = declaring->ret;
    struct problem problem = {.kind = kind};
    struct problem *all =
        reallocarray(ret->problems, ret->problem_count + 1, sizeof(*ret->problems));
    va_list arguments;
    if (all)
        ret->problems = all;
    if (root->tokens == &declaring->texts[1]) {
        problem.start = root->token->start;
        problem.length = root->token->length;
    }
    char *rest = NULL;
    va_start(arguments, format);
    if (vasprintf(&rest, format, arguments) < 0)
        rest = NULL;
    va_end(arguments);
    if (!all || !rest ||
        asprintf(&problem.text, "%.*s%s", (int)root->token->length,
                 root->tokens->text + root->token->start, rest) < 0)
        declaring->declarer->no_memory = true;
    else
        ret->problems[ret->problem_count++] = problem;
    free(rest);
}

static void add_binding(struct declaring *declaring, const struct root *root, const char *name)
{
    struct declarations *ret = declaring->ret;
    const struct address *address = &root->named.address;
    struct binding *all =
        reallocarray(ret->bindings, ret->binding_count + 1, sizeof(*ret->bindings));
    if (all)
        ret->bindings = all;
    struct binding binding = {
        .name = strdup(name),
        .kind = address->kind == ADDRESS_TLS       ? BINDING_TLS
                : address->kind == ADDRESS_BY_NAME ? BINDING_BY_NAME
                                                   : BINDING_ADDRESS,
        .address = address->value,
        .module = address->module,
        .is_function = root->named.is_function,
    };
    if (binding.kind == BINDING_BY_NAME && address->symbol)
        binding.symbol = strdup(address->symbol);
    if (!all || !binding.name) {
        free(binding.name);
        free(binding.symbol);
        declaring->declarer->no_memory = true;
        return;
    }
    ret->bindings[ret->binding_count++] = binding;
}

/* --- One kind after the other. --- */

static void write_line(struct declarer *declarer, const char *before, char *text)
{
    if (text)
        fprintf(declarer->out, "%s%s;\n", before, text);
    free(text);
}

static bool is_const(Dwarf_Die *variable)
{
    Dwarf_Die type;
    if (!type_of(variable, &type))
        return false;
    for (unsigned i = 0; i < 8; i++) {
        int tag = dwarf_tag(&type);
        if (tag == DW_TAG_const_type)
            return true;
        if ((tag != DW_TAG_typedef && tag != DW_TAG_array_type && tag != DW_TAG_volatile_type) ||
            !type_of(&type, &type))
            return false;
    }
    return false;
}

/* The compiler put a number in place of the variable. */
static void declare_constant(struct declaring *declaring, struct root *root, Dwarf_Die *type)
{
    struct declarer *declarer = declaring->declarer;
    Dwarf_Die stripped;
    char *cast = declarator(declarer, root->named.module, type, strdup(""), TYPE_WHOLE);
    char *text = declarator(declarer, root->named.module, type, strdup(root->c_name), TYPE_WHOLE);
    if (layouts_strip(declarer->layouts, root->named.module, type, &stripped) &&
        type_is_integer(&stripped) && cast && text)
        fprintf(declarer->out, "static %s = (%s)%" PRId64 "LL;\n", text, cast,
                (int64_t)root->named.address.value);
    else
        declaring_add_problem(declaring, PROBLEM_REFUSED, root,
                              " is optimised out: the compiler left no place for it");
    if (root->is_written_to)
        declaring_add_problem(declaring, PROBLEM_NOTE, root,
                              " is a constant in the program: what is written to it is lost");
    free(cast);
    free(text);
}

static void declare_variable(struct declaring *declaring, struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    Dwarf_Die type;
    if (!type_of(&root->named.die, &type)) {
        declaring_add_problem(declaring, PROBLEM_REFUSED, root, " has a type that is not known");
        return;
    }
    if (root->named.address.kind == ADDRESS_CONSTANT) {
        declare_constant(declaring, root, &type);
        return;
    }
    write_line(declarer, "extern ",
               declarator(declarer, root->named.module, &type, strdup(root->c_name), TYPE_WHOLE));
    add_binding(declaring, root, root->c_name);
    if (root->is_written_to && is_const(&root->named.die))
        declaring_add_problem(declaring, PROBLEM_NOTE, root,
                              " is const in the program: writing to it may be a fault");
}

static void declare_symbol(struct declaring *declaring, struct root *root)
{
    FILE *out = declaring->declarer->out;
    uint64_t size = root->named.address.size;
    if (root->named.is_function)
        fprintf(out, "extern long %s();\n", root->c_name);
    else if (size)
        fprintf(out, "extern unsigned char %s[%" PRIu64 "];\n", root->c_name, size);
    else
        fprintf(out, "extern unsigned char %s[];\n", root->c_name);
    add_binding(declaring, root, root->c_name);
}

static bool is_of_language(Dwarf_Die *function, int language)
{
    Dwarf_Die unit;
    return dwarf_diecu(function, &unit, NULL, NULL) && dwarf_srclang(&unit) == language;
}

static void declare_function(struct declaring *declaring, struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    Dwarf_Die refused;
    /* An assembler does not know what its functions take. */
    if (is_of_language(&root->named.die, DW_LANG_Mips_Assembler)) {
        declare_symbol(declaring, root);
        return;
    }
    if (is_of_language(&root->named.die, DW_LANG_Go)) {
        declaring_add_problem(declaring, PROBLEM_REFUSED, root,
                              " cannot be called from here: functions of Go take their arguments "
                              "otherwise than those of C");
        return;
    }
    const char *why = by_value_call_refused(declarer->layouts, root->named.module, &root->named.die,
                                            declarer->passes_mixed, &refused);
    if (why) {
        char type[256];
        type_write_name(&refused, type, sizeof(type));
        declaring_add_problem(
            declaring, PROBLEM_REFUSED, root,
            " cannot be called from here: it passes %s by value, which %s (System V ABI 3.2.3)",
            type, why);
        return;
    }
    write_line(
        declarer, "extern ",
        function_declarator(declarer, root->named.module, &root->named.die, strdup(root->c_name)));
    add_binding(declaring, root, root->c_name);
}

static void declare_type(struct declaring *declaring, struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    struct module *module = root->named.module;
    Dwarf_Die *die = &root->named.die, type;
    if (root->token->use == USE_TAG) {
        /* A qualified one gets the tag that its type has. */
        struct ctype *ctype = ctype_get(declarer, module, die, root->c_name);
        if (!ctype)
            return;
        ctype_mention(declarer, ctype, true);
        char *tag = strdup(ctype->tag);
        free(root->c_name);
        root->c_name = tag;
        declarer->no_memory |= !tag;
        return;
    }
    bool is_typedef = dwarf_tag(die) == DW_TAG_typedef;
    const Dwarf_Die *target = !is_typedef ? die : type_of(die, &type) ? &type : NULL;
    if (is_typedef && target) {
        /* One that has no name itself is called by this one. */
        Dwarf_Die stripped;
        if (layouts_strip(declarer->layouts, module, target, &stripped) &&
            layout_is_aggregate(dwarf_tag(&stripped)))
            (void)ctype_get(declarer, module, &stripped, root->c_name);
    }
    write_line(declarer, "typedef ",
               declarator(declarer, module, target, strdup(root->c_name), TYPE_WHOLE));
}

static void declare_enumerator(struct declaring *declaring, struct root *root)
{
    uint64_t number;
    FILE *out = declaring->declarer->out;
    if (!layout_number(&root->named.die, DW_AT_const_value, &number))
        return;
    int64_t value = (int64_t)number;
    if (value >= INT32_MIN && value <= INT32_MAX)
        fprintf(out, "enum { %s = %" PRId64 " };\n", root->c_name, value);
    else
        fprintf(out, "static const long %s = %" PRId64 "L;\n", root->c_name, value);
}

static void declare_text(struct declaring *declaring, struct root *root)
{
    static const char location[] = "__errno_location";
    const struct wanted wanted = {.text = location, .length = strlen(location)};
    struct root needed = *root;
    fprintf(declaring->declarer->out, "%s\n", root->named.text);
    if (strcmp(root->c_name, "errno") != 0)
        return;
    if (names_find(declaring->declarer->names, &wanted, &needed.named, &needed.why) ==
        NAMED_FOUND) {
        fprintf(declaring->declarer->out, "extern int *%s(void);\n", location);
        add_binding(declaring, &needed, location);
    }
    free(needed.why);
}

static void bind_only(struct declaring *declaring, const struct root *root)
{
    size_t before = declaring->ret->binding_count;
    bool has_place = root->named.kind == NAMED_VARIABLE || root->named.kind == NAMED_FUNCTION ||
                     root->named.kind == NAMED_SYMBOL || root->named.kind == NAMED_PROTOTYPE;
    if (has_place && root->named.address.kind != ADDRESS_CONSTANT)
        add_binding(declaring, root, root->c_name);
    if (declaring->ret->binding_count > before)
        declaring->ret->bindings[before].unchecked = true;
}

void declare_root(struct declaring *declaring, struct root *root)
{
    if (root->elsewhere) {
        bind_only(declaring, root);
        return;
    }
    switch (root->named.kind) {
    case NAMED_VARIABLE:
        declare_variable(declaring, root);
        return;
    case NAMED_FUNCTION:
        declare_function(declaring, root);
        return;
    case NAMED_TYPE:
        declare_type(declaring, root);
        return;
    case NAMED_ENUMERATOR:
        declare_enumerator(declaring, root);
        return;
    case NAMED_SYMBOL:
        declare_symbol(declaring, root);
        return;
    case NAMED_PROTOTYPE:
        fprintf(declaring->declarer->out, "%s\n", root->named.text);
        add_binding(declaring, root, root->c_name);
        return;
    case NAMED_TEXT:
        declare_text(declaring, root);
        return;
    }
}
