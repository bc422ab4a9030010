#include "src/crepl/declare_private.h"
#include "src/crepl/macros.h"

#include <stdlib.h>
#include <string.h>

#define SUGGESTIONS_MAX 200

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
    macros_destroy(declarer->macros);
    free(declarer->mentioned);
    free(declarer);
}

void declarer_pass_mixed(struct declarer *declarer, bool allowed)
{
    declarer->passes_mixed = allowed;
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
    free(declarations->prelude);
    free(declarations->macros);
    free(declarations->snippet);
    *declarations = (struct declarations){0};
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
        (input->is_known &&
         input->is_known(input->context, text, token->length, token->use == USE_TAG)))
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
    declaring->roots[declaring->count - 1].elsewhere =
        input->is_declared && token->use == USE_ORDINARY &&
        input->is_declared(input->context, text, token->length);
    return true;
}

bool declaring_add_roots(struct declaring *declaring, const struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (!add_root(declaring, tokens, i))
            return false;
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
        declaring_add_problem(declaring, PROBLEM_REFUSED, root, " %s", root->why);
    else if (names_suggest(declaring->declarer->names, root->c_name, names, sizeof(names)))
        declaring_add_problem(declaring, PROBLEM_UNKNOWN, root, " is not known; did you mean %s?",
                              names);
    else
        declaring_add_problem(declaring, PROBLEM_UNKNOWN, root, " is not known");
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
    else if (root->result == NAMED_UNKNOWN && root->elsewhere)
        return; /* a type, say */
    else if (root->result == NAMED_REFUSED ||
             (root->result == NAMED_UNKNOWN && !declare_macro(declaring, root)))
        report_root(declaring, root);
}

/* --- All of them. --- */

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

/* --- The texts. --- */

static char *rewrite(const struct declaring *declaring, const struct tokens *tokens)
{
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

static bool is_type(void *context, const char *name, size_t length)
{
    const struct declaring *declaring = context;
    const struct declare_input *input = declaring->input;
    return (input->is_type && input->is_type(input->context, name, length)) ||
           names_is_type(declaring->declarer->names, name, length);
}

static struct error *collect_roots(struct declaring *declaring)
{
    const char *const texts[] = {declaring->input->prelude ? declaring->input->prelude : "",
                                 declaring->input->snippet};
    for (size_t i = 0; i < 2; i++) {
        struct error *error = tokens_read(&declaring->texts[i], texts[i], is_type, declaring);
        if (error)
            return error;
    }
    for (size_t i = 0; i < 2; i++)
        if (!declaring_add_roots(declaring, &declaring->texts[i]))
            return error_no_memory();
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
    declaring->macros = open_memstream(&declaring->ret->macros, &size);
    if (declarer->out && declaring->macros)
        declare_all(declaring);
    declarer->no_memory |= !declarer->out || fclose(declarer->out) != 0;
    declarer->no_memory |= !declaring->macros || fclose(declaring->macros) != 0;
    declarer->out = NULL;
    struct declarations *ret = declaring->ret;
    ret->prelude = rewrite(declaring, &declaring->texts[0]);
    ret->snippet = rewrite(declaring, &declaring->texts[1]);
    return declarer->no_memory || !ret->prelude || !ret->snippet ? error_no_memory() : NULL;
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
    macro_bodies_forget(declarer);
    tokens_deinit(&declaring.texts[0]);
    tokens_deinit(&declaring.texts[1]);
    if (error)
        declarations_deinit(ret);
    return error;
}
