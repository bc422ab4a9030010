/* Commands about types. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/tokens.h"
#include "src/crepl/type_print.h"
#include "src/crepl/type_text.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECLARATION_MAX 1024

struct error *command_sizeof(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret)
{
    (void)format;
    CLEANUP_FREE char *expression = NULL;
    if (asprintf(&expression, "sizeof(%s)", arguments) < 0) {
        expression = NULL;
        return error_no_memory();
    }
    struct expression_value value;
    CLEANUP_FREE char *text = NULL;
    struct error *error = crepl_find_value(crepl, expression, &value, ret);
    if (!error && ret->outcome == MANHOLE_DONE)
        error = crepl_describe(crepl, value.type, value.address, &text);
    if (text)
        crepl_write_line(crepl, text);
    free(value.type);
    return error;
}

/* --- .type: of a name. --- */

/* Where a declaration stands, as a comment; the module unless it is the program. */
static void print_origin(FILE *out, struct crepl *crepl, struct module *module, Dwarf_Die *die)
{
    char place[256];
    bool placed = type_print_place(die, place, sizeof(place));
    bool is_program = strcmp(module->path, crepl->session->process->executable) == 0;
    if (placed || !is_program)
        fprintf(out, " /* %s%s%s */", placed ? place : "", placed && !is_program ? ", " : "",
                is_program ? "" : module->path);
    fputc('\n', out);
}

static bool is_external(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    bool external = false;
    return dwarf_attr_integrate(die, DW_AT_external, &attribute) &&
           dwarf_formflag(&attribute, &external) == 0 && external;
}

static void print_definition(FILE *out, struct crepl *crepl, struct module *module,
                             const Dwarf_Die *type)
{
    Dwarf_Die behind;
    struct layouts *layouts = declarer_layouts(crepl->declarer);
    if (type_print_finds(layouts, module, type, &behind))
        type_print(out, layouts, module, &behind);
}

static void print_variable(FILE *out, struct crepl *crepl, const char *name, struct named *named)
{
    Dwarf_Die type;
    char text[DECLARATION_MAX];
    bool typed = type_of(&named->die, &type);
    if (typed)
        type_write_declaration(&type, name, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "void %s", name);
    fprintf(out, "%s%s;", is_external(&named->die) ? "" : "static ", text);
    print_origin(out, crepl, named->module, &named->die);
    if (typed)
        print_definition(out, crepl, named->module, &type);
}

static void print_function(FILE *out, struct crepl *crepl, const char *name, struct named *named)
{
    char text[DECLARATION_MAX];
    type_write_function(&named->die, name, text, sizeof(text));
    fprintf(out, "%s%s;", is_external(&named->die) ? "" : "static ", text);
    print_origin(out, crepl, named->module, &named->die);
}

/* The enumeration that an enumerator is of. */
static void print_enumerator(FILE *out, struct crepl *crepl, struct named *named)
{
    Dwarf_Die *scopes = NULL;
    int count = dwarf_getscopes_die(&named->die, &scopes);
    if (count > 1)
        print_definition(out, crepl, named->module, &scopes[1]);
    free(scopes);
}

static void print_symbol(FILE *out, const char *name, const struct named *named)
{
    if (named->is_function)
        fprintf(out, "long %s(); /* no debug information: %s */\n", name, named->module->path);
    else
        fprintf(out, "char %s[%" PRIu64 "]; /* no debug information: %s */\n", name,
                named->address.size, named->module->path);
}

static void print_named(FILE *out, struct crepl *crepl, const char *name, struct named *named)
{
    switch (named->kind) {
    case NAMED_VARIABLE:
        print_variable(out, crepl, name, named);
        break;
    case NAMED_FUNCTION:
        print_function(out, crepl, name, named);
        break;
    case NAMED_TYPE:
        type_print(out, declarer_layouts(crepl->declarer), named->module, &named->die);
        break;
    case NAMED_ENUMERATOR:
        print_enumerator(out, crepl, named);
        break;
    case NAMED_SYMBOL:
        print_symbol(out, name, named);
        break;
    case NAMED_PROTOTYPE:
    case NAMED_TEXT:
        fprintf(out, "%s\n", named->text);
        break;
    }
}

/* What is said of a name: true when that is the answer. */
static bool print_name(FILE *out, struct crepl *crepl, const struct tokens *tokens,
                       struct session_answer *ret)
{
    static const char *const tags[] = {"struct", "union", "enum", "class"};
    const struct token *name = &tokens->tokens[tokens->count - 1];
    struct wanted wanted = {
        .text = tokens->text + name->start, .length = name->length, .any_place = true};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        wanted.tag |= tokens->count == 2 && token_is(tokens, &tokens->tokens[0], tags[i]);
    if ((name->kind != TOKEN_NAME && name->kind != TOKEN_QUALIFIED) ||
        (tokens->count != 1 && !wanted.tag) ||
        definitions_has(&crepl->definitions, wanted.text, wanted.length, wanted.tag))
        return false;
    struct named named;
    CLEANUP_FREE char *why = NULL, *text = strndup(wanted.text, wanted.length);
    enum named_result found =
        text ? names_find(crepl->names, &wanted, &named, &why) : NAMED_UNKNOWN;
    if (found == NAMED_FOUND)
        print_named(out, crepl, text, &named);
    else if (found == NAMED_REFUSED)
        answer_refuse(ret, "%s %s", text, why ? why : "cannot be told: no memory");
    else if (wanted.tag)
        answer_refuse(ret, "%s is not known", tokens->text);
    return found != NAMED_UNKNOWN || wanted.tag;
}

/* --- .type: of an expression. --- */

/* A type that the session defined, by the name the compiler has for it: "struct point". */
static void print_session_type(FILE *out, const struct crepl *crepl, const char *name)
{
    const char *tag = strchr(name, ' ');
    for (size_t i = 0; tag && i < crepl->definitions.count; i++) {
        const struct definition *definition = &crepl->definitions.definitions[i];
        if (definition->name && strcmp(definition->name, tag + 1) == 0)
            fprintf(out, "%s\n", definition->declaration);
    }
}

/* What the compiler takes for the type of an expression or type. */
static struct error *find_type(struct crepl *crepl, const char *arguments, char **type,
                               struct session_answer *ret)
{
    CLEANUP_FREE char *object = NULL;
    struct session_answer second;
    struct error *error = crepl_find_type(crepl, arguments, false, type, ret);
    if (error || *type)
        return error;
    if (asprintf(&object, "*(__typeof__(%s) *)0", arguments) < 0) {
        object = NULL;
        return error_no_memory();
    }
    error = crepl_find_type(crepl, object, true, type, &second);
    if (*type)
        *ret = second;
    return error;
}

static struct error *print_expression(FILE *out, struct crepl *crepl, const char *arguments,
                                      struct session_answer *ret)
{
    CLEANUP_FREE char *type = NULL;
    struct type_text *parsed;
    struct error *error = find_type(crepl, arguments, &type, ret);
    if (error || !type)
        return error;
    fprintf(out, "%s\n", type);
    if (!type_text_parse(type, crepl->declarer, &parsed))
        return NULL;
    const struct type_text *base = parsed;
    while (base->target)
        base = base->target;
    if (base->has_die)
        type_print(out, declarer_layouts(crepl->declarer), base->type.module, &base->type.die);
    else
        print_session_type(out, crepl, base->name);
    type_text_destroy(parsed);
    return NULL;
}

struct error *command_type(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret)
{
    (void)format;
    CLEANUP_FREE char *text = NULL;
    size_t size;
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, arguments, NULL, NULL);
    if (error)
        return error;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        error = error_no_memory();
    else if (!tokens.count)
        answer_refuse(ret, "a name, a type or an expression is missing: .type NAME");
    else if (!print_name(out, crepl, &tokens, ret))
        error = print_expression(out, crepl, arguments, ret);
    tokens_deinit(&tokens);
    if (out && fclose(out) != 0 && !error)
        error = error_no_memory();
    if (text && size)
        terminal_write(crepl->session->out, text, size);
    return error;
}
