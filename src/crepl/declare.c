#include "src/crepl/declare_private.h"

#include "src/crepl/by_value.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SUGGESTIONS_MAX 200

/* A name that the text uses, and what it means. */
struct root {
    const struct tokens *tokens;
    const struct token *token; /* the first that has it */
    struct named named;
    enum named_result result;
    char *why;
    char *c_name; /* malloc'ed */
    bool is_written_to;
};

struct declaring {
    struct declarer *declarer;
    const struct declare_input *input;
    struct tokens texts[2]; /* prelude, snippet */
    struct root *roots;
    size_t count;
    struct declarations *ret;
};

struct error *declarer_create(struct names *names, struct declarer **ret)
{
    struct declarer *declarer = calloc(1, sizeof(*declarer));
    if (!declarer)
        return error_no_memory();
    declarer->names = names;
    declarer->layouts = layouts_create(names);
    if (!declarer->layouts) {
        free(declarer);
        return error_no_memory();
    }
    *ret = declarer;
    return NULL;
}

void declarer_destroy(struct declarer *declarer)
{
    if (!declarer)
        return;
    ctypes_forget(declarer);
    layouts_destroy(declarer->layouts);
    free(declarer->mentioned);
    free(declarer);
}

struct layouts *declarer_layouts(struct declarer *declarer)
{
    return declarer->layouts;
}

void declarations_deinit(struct declarations *declarations)
{
    for (size_t i = 0; i < declarations->binding_count; i++) {
        free(declarations->bindings[i].name);
        free(declarations->bindings[i].symbol);
    }
    for (size_t i = 0; i < declarations->problem_count; i++)
        free(declarations->problems[i].text);
    free(declarations->bindings);
    free(declarations->problems);
    free(declarations->text);
    free(declarations->snippet);
    *declarations = (struct declarations){0};
}

/* --- Results. --- */

/* "NAME FORMAT...", with the name as it was typed. */
static void add_problem(struct declaring *declaring, enum problem_kind kind,
                        const struct root *root, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void add_problem(struct declaring *declaring, enum problem_kind kind,
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

/* --- Roots. --- */

static bool same_name(const struct root *root, const struct tokens *tokens,
                      const struct token *token)
{
    return root->token->use == token->use && root->token->length == token->length &&
           memcmp(root->tokens->text + root->token->start, tokens->text + token->start,
                  token->length) == 0;
}

static struct root *find_root(const struct declaring *declaring, const struct tokens *tokens,
                              const struct token *token)
{
    for (size_t i = 0; i < declaring->count; i++) {
        if (same_name(&declaring->roots[i], tokens, token))
            return &declaring->roots[i];
    }
    return NULL;
}

static bool is_assignment(const struct tokens *tokens, const struct token *token)
{
    size_t length = token->length;
    const char *text = tokens->text + token->start;
    return token->kind == TOKEN_PUNCTUATION &&
           ((length == 1 && *text == '=') || token_is(tokens, token, "++") ||
            token_is(tokens, token, "--") ||
            (length > 1 && text[length - 1] == '=' && !strchr("=!<>", text[0])) ||
            token_is(tokens, token, "<<=") || token_is(tokens, token, ">>="));
}

/* What the compiler has by itself. */
static bool is_builtin(const char *text, size_t length)
{
    static const char prefix[] = "__builtin_";
    return length >= sizeof(prefix) && memcmp(text, prefix, sizeof(prefix) - 1) == 0;
}

/* False without memory. */
static bool add_root(struct declaring *declaring, const struct tokens *tokens, size_t at)
{
    const struct token *token = &tokens->tokens[at];
    const char *text = tokens->text + token->start;
    const struct declare_input *input = declaring->input;
    bool is_written_to = at + 1 < tokens->count && is_assignment(tokens, token + 1);
    if ((token->use != USE_ORDINARY && token->use != USE_TAG) || token->at_file_level ||
        (token->declared && token->use == USE_TAG) || is_builtin(text, token->length) ||
        (input->is_known && token->use == USE_ORDINARY &&
         input->is_known(input->context, text, token->length)))
        return true;
    struct root *root = find_root(declaring, tokens, token);
    if (root) {
        root->is_written_to |= is_written_to;
        return true;
    }
    struct root *roots =
        reallocarray(declaring->roots, declaring->count + 1, sizeof(*declaring->roots));
    if (!roots)
        return false;
    declaring->roots = roots;
    declaring->roots[declaring->count++] =
        (struct root){.tokens = tokens, .token = token, .is_written_to = is_written_to};
    return true;
}

static bool is_c_name_taken(const struct declaring *declaring, const char *name)
{
    for (size_t i = 0; i < declaring->count; i++) {
        const struct root *root = &declaring->roots[i];
        if (root->c_name && strcmp(root->c_name, name) == 0)
            return true;
    }
    return false;
}

/* "b.c::hidden" as b_c__hidden. */
static char *choose_c_name(const struct declaring *declaring, const struct root *root)
{
    char *text = strndup(root->tokens->text + root->token->start, root->token->length);
    if (!text || root->token->kind == TOKEN_NAME)
        return text;
    /* Quotes are no part of it. */
    char *name = c_identifier(*text == '"' ? text + 1 : text);
    free(text);
    while (name && is_c_name_taken(declaring, name)) {
        char *longer;
        if (asprintf(&longer, "%s_", name) < 0)
            longer = NULL;
        free(name);
        name = longer;
    }
    return name;
}

static void report_root(struct declaring *declaring, const struct root *root)
{
    char names[SUGGESTIONS_MAX];
    /* A name of the snippet's own: what it hides does not matter. */
    if (root->token->declared)
        return;
    if (root->result == NAMED_REFUSED)
        add_problem(declaring, PROBLEM_REFUSED, root, " %s", root->why);
    else if (names_suggest(declaring->declarer->names, root->c_name, names, sizeof(names)))
        add_problem(declaring, PROBLEM_UNKNOWN, root, " is not known; did you mean %s?", names);
    else
        add_problem(declaring, PROBLEM_UNKNOWN, root, " is not known");
}

static void look_up(struct declaring *declaring, struct root *root)
{
    struct wanted wanted = {
        .text = root->tokens->text + root->token->start,
        .length = root->token->length,
        .tag = root->token->use == USE_TAG,
        .type_place = root->token->type_place,
    };
    struct declared_type type;
    root->c_name = choose_c_name(declaring, root);
    if (!root->c_name) {
        declaring->declarer->no_memory = true;
        return;
    }
    /* The name that an earlier snippet saw. */
    if (wanted.tag && declarer_find_type(declaring->declarer, root->c_name, &type)) {
        root->result = NAMED_FOUND;
        root->named = (struct named){.kind = NAMED_TYPE, .die = type.die, .module = type.module};
        return;
    }
    root->result = names_find(declaring->declarer->names, &wanted, &root->named, &root->why);
    if (root->result == NAMED_REFUSED && !root->why)
        declaring->declarer->no_memory = true;
    else if (root->result != NAMED_FOUND)
        report_root(declaring, root);
}

/* --- Declarations. --- */

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
        add_problem(declaring, PROBLEM_REFUSED, root,
                    " is optimised out: the compiler left no place for it");
    if (root->is_written_to)
        add_problem(declaring, PROBLEM_NOTE, root,
                    " is a constant in the program: what is written to it is lost");
    free(cast);
    free(text);
}

static void declare_variable(struct declaring *declaring, struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    Dwarf_Die type;
    if (!type_of(&root->named.die, &type)) {
        add_problem(declaring, PROBLEM_REFUSED, root, " has a type that is not known");
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
        add_problem(declaring, PROBLEM_NOTE, root,
                    " is const in the program: writing to it may be a fault");
}

static void declare_function(struct declaring *declaring, struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    Dwarf_Die refused;
    const char *why =
        by_value_call_refused(declarer->layouts, root->named.module, &root->named.die, &refused);
    if (why) {
        char type[256];
        type_write_name(&refused, type, sizeof(type));
        add_problem(
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

static void declare_root(struct declaring *declaring, struct root *root)
{
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

/* Their types claim the plain tags. */
static bool is_value(const struct root *root)
{
    return root->named.kind == NAMED_VARIABLE || root->named.kind == NAMED_FUNCTION;
}

static void declare_all(struct declaring *declaring)
{
    for (unsigned values = 2; values-- > 0;) {
        for (size_t i = 0; i < declaring->count; i++) {
            struct root *root = &declaring->roots[i];
            if (declaring->declarer->no_memory)
                return;
            /* Tags are looked up when the values have claimed theirs. */
            bool is_tag = root->token->use == USE_TAG;
            if (values != is_tag)
                look_up(declaring, root);
        }
        for (size_t i = 0; i < declaring->count; i++) {
            struct root *root = &declaring->roots[i];
            if (root->result == NAMED_FOUND && root->c_name && is_value(root) == values &&
                !declaring->declarer->no_memory)
                declare_root(declaring, root);
        }
    }
    ctypes_write_rest(declaring->declarer);
}

/* --- The snippet. --- */

static char *rewrite(const struct declaring *declaring)
{
    const struct tokens *tokens = &declaring->texts[1];
    char *snippet = NULL;
    size_t size, at = 0;
    FILE *out = open_memstream(&snippet, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->tokens[i];
        const struct root *root = find_root(declaring, tokens, token);
        bool renamed =
            root && root->c_name && (token->kind == TOKEN_QUALIFIED || token->use == USE_TAG);
        if (!renamed)
            continue;
        fwrite(tokens->text + at, 1, token->start - at, out);
        fputs(root->c_name, out);
        at = token->start + token->length;
    }
    fputs(tokens->text + at, out);
    if (fclose(out) == 0)
        return snippet;
    free(snippet);
    return NULL;
}

static struct error *collect_roots(struct declaring *declaring)
{
    const char *const texts[] = {declaring->input->prelude ? declaring->input->prelude : "",
                                 declaring->input->snippet};
    for (size_t i = 0; i < 2; i++) {
        struct error *error =
            tokens_read(&declaring->texts[i], texts[i], names_is_type, declaring->declarer->names);
        if (error)
            return error;
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < declaring->texts[i].count; j++) {
            if (!add_root(declaring, &declaring->texts[i], j))
                return error_no_memory();
        }
    }
    return NULL;
}

static struct error *declare(struct declaring *declaring)
{
    struct declarer *declarer = declaring->declarer;
    size_t size;
    struct error *error = collect_roots(declaring);
    if (error)
        return error;
    declarer->round++;
    declarer->no_memory = false;
    declarer->mentioned_count = 0;
    declarer->texts[0] = &declaring->texts[0];
    declarer->texts[1] = &declaring->texts[1];
    declarer->out = open_memstream(&declaring->ret->text, &size);
    if (!declarer->out)
        return error_no_memory();
    declare_all(declaring);
    if (fclose(declarer->out) != 0)
        declarer->no_memory = true;
    declarer->out = NULL;
    declaring->ret->snippet = rewrite(declaring);
    return declarer->no_memory || !declaring->ret->snippet ? error_no_memory() : NULL;
}

struct error *declarer_declare(struct declarer *declarer, const struct declare_input *input,
                               struct declarations *ret)
{
    struct declaring declaring = {.declarer = declarer, .input = input, .ret = ret};
    *ret = (struct declarations){0};
    struct error *error = declare(&declaring);
    for (size_t i = 0; i < declaring.count; i++) {
        free(declaring.roots[i].c_name);
        free(declaring.roots[i].why);
    }
    free(declaring.roots);
    tokens_deinit(&declaring.texts[0]);
    tokens_deinit(&declaring.texts[1]);
    if (error)
        declarations_deinit(ret);
    return error;
}
