#include "src/crepl/definitions.h"

#include "injector/cleanup.h"
#include "src/crepl/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_definition(struct definition *definition)
{
    free(definition->name);
    free(definition->declaration);
}

void definitions_deinit(struct definitions *definitions)
{
    for (size_t i = 0; i < definitions->count; i++)
        free_definition(&definitions->definitions[i]);
    for (size_t i = 0; i < definitions->symbol_count; i++)
        free((char *)definitions->symbols[i].name);
    free(definitions->definitions);
    free(definitions->symbols);
    *definitions = (struct definitions){0};
}

char *definitions_make_global(const char *text)
{
    struct tokens tokens;
    char *copy = strdup(text);
    struct error *error = copy ? tokens_read(&tokens, text, NULL, NULL) : error_no_memory();
    if (error) {
        error_destroy(error);
        free(copy);
        return NULL;
    }
    int depth = 0;
    for (size_t i = 0; i < tokens.count; i++) {
        const struct token *token = &tokens.tokens[i];
        depth += token_depth_change(&tokens, token);
        if (depth == 0 && token_is(&tokens, token, "static"))
            memset(copy + token->start, ' ', token->length);
    }
    tokens_deinit(&tokens);
    return copy;
}

/* --- One item: from one semicolon or closing brace at file level to the next. --- */

struct item {
    size_t first, end; /* tokens */
    size_t body;       /* the brace that opens the body of a function; `end`: it is none */
};

/* The next item from token `first` on; false: there is none. */
static bool next_item(const struct tokens *tokens, size_t first, struct item *ret)
{
    int depth = 0;
    *ret = (struct item){.first = first, .end = tokens->count, .body = SIZE_MAX};
    for (size_t i = first; i < tokens->count; i++) {
        const struct token *token = &tokens->tokens[i];
        if (depth == 0 && i > first && token_is(tokens, token, "{") &&
            token_is(tokens, token - 1, ")"))
            ret->body = i;
        depth += token_depth_change(tokens, token);
        bool body_ends = ret->body != SIZE_MAX && depth == 0 && token_is(tokens, token, "}");
        if (body_ends || (depth == 0 && token_is(tokens, token, ";"))) {
            ret->end = i + 1;
            break;
        }
    }
    return first < tokens->count;
}

static const char *text_at(const struct tokens *tokens, size_t index)
{
    return tokens->text + tokens->tokens[index].start;
}

static size_t text_end(const struct tokens *tokens, size_t index)
{
    return tokens->tokens[index].start + tokens->tokens[index].length;
}

/* Tokens [first, end) of a variable's declaration without its value; those that say where it is are
   left out. */
static void write_tokens(const struct tokens *tokens, size_t first, size_t end, FILE *out)
{
    int depth = 0;
    bool in_value = false;
    for (size_t i = first; i < end; i++) {
        const struct token *token = &tokens->tokens[i];
        depth += token_depth_change(tokens, token);
        if (depth == 0 && token_is(tokens, token, "="))
            in_value = true;
        if (depth == 0 && (token_is(tokens, token, ",") || token_is(tokens, token, ";")))
            in_value = false;
        if (!in_value && !token_is(tokens, token, "static") && !token_is(tokens, token, "extern"))
            fprintf(out, " %.*s", (int)token->length, tokens->text + token->start);
    }
}

/* "struct point { ... };", "enum { ... };", "struct point;": no variable follows. */
static bool declares_only_a_type(const struct tokens *tokens, const struct item *item)
{
    const struct token *first = &tokens->tokens[item->first];
    size_t at = item->first + 1;
    if (token_is(tokens, first, "typedef"))
        return true;
    if (!token_is(tokens, first, "struct") && !token_is(tokens, first, "union") &&
        !token_is(tokens, first, "enum"))
        return false;
    if (at < item->end && tokens->tokens[at].kind == TOKEN_NAME)
        at++;
    int depth = 0;
    for (; at < item->end; at++) {
        depth += token_depth_change(tokens, &tokens->tokens[at]);
        if (depth == 0 && !token_is(tokens, &tokens->tokens[at], "}"))
            return token_is(tokens, &tokens->tokens[at], ";");
    }
    return false;
}

/* True for the name of what is defined here: a tag, or not. */
static bool is_defined(const struct tokens *tokens, size_t at, bool is_tag)
{
    const struct token *token = &tokens->tokens[at];
    return token->at_file_level && (token->use == USE_TAG) == is_tag;
}

/* The first name that tokens [first, end) define. */
static char *copy_name(const struct tokens *tokens, size_t first, size_t end, bool is_tag)
{
    for (size_t i = first; i < end; i++)
        if (is_defined(tokens, i, is_tag))
            return strndup(text_at(tokens, i), tokens->tokens[i].length);
    return NULL;
}

/* Adds what `out` wrote into definition->declaration. */
static struct error *append(struct definitions *definitions, struct definition *definition,
                            FILE *out)
{
    struct definition *larger = reallocarray(definitions->definitions, definitions->count + 1,
                                             sizeof(*definitions->definitions));
    bool written = fclose(out) == 0;
    if (larger)
        definitions->definitions = larger;
    if (!larger || !written) {
        free_definition(definition);
        return error_no_memory();
    }
    larger[definitions->count++] = *definition;
    return NULL;
}

/* A function or a type; or variables of a type that is defined with them. */
static struct error *add_whole(struct definitions *definitions, const struct tokens *tokens,
                               const struct item *item)
{
    size_t size, first = tokens->tokens[item->first].start;
    struct definition definition = {.is_type = declares_only_a_type(tokens, item)};
    definition.is_tag =
        definition.is_type && !token_is(tokens, &tokens->tokens[item->first], "typedef");
    definition.name = copy_name(tokens, item->first, item->end, definition.is_tag);
    FILE *out = open_memstream(&definition.declaration, &size);
    if (!out) {
        free_definition(&definition);
        return error_no_memory();
    }
    if (item->body != SIZE_MAX) {
        fprintf(out, "%.*s;", (int)(tokens->tokens[item->body].start - first),
                tokens->text + first);
    } else if (definition.is_type) {
        fprintf(out, "%.*s", (int)(text_end(tokens, item->end - 1) - first), tokens->text + first);
    } else {
        fputs("extern", out);
        write_tokens(tokens, item->first, item->end, out);
    }
    return append(definitions, &definition, out);
}

/* Where "unsigned long" ends and "*x, y" begins. */
static size_t find_declarators(const struct tokens *tokens, const struct item *item)
{
    int depth = 0;
    for (size_t i = item->first; i < item->end; i++) {
        const struct token *token = &tokens->tokens[i];
        bool argument = i > item->first && (token_is(tokens, token - 1, "typeof") ||
                                            token_is(tokens, token - 1, "__typeof__") ||
                                            token_is(tokens, token - 1, "__attribute__"));
        if (!depth && !argument &&
            (token_is(tokens, token, "*") || token_is(tokens, token, "(") ||
             is_defined(tokens, i, false)))
            return i;
        depth += token_depth_change(tokens, token);
    }
    return item->end;
}

/* One variable: the tokens of its declarator, behind those of the type. */
static struct error *add_variable(struct definitions *definitions, const struct tokens *tokens,
                                  const struct item *type, size_t first, size_t end)
{
    size_t size;
    struct definition definition = {.name = copy_name(tokens, first, end, false)};
    FILE *out = open_memstream(&definition.declaration, &size);
    if (!out) {
        free_definition(&definition);
        return error_no_memory();
    }
    fputs("extern", out);
    write_tokens(tokens, type->first, type->end, out);
    write_tokens(tokens, first, end, out);
    fputc(';', out);
    return append(definitions, &definition, out);
}

static bool has_braces(const struct tokens *tokens, size_t first, size_t end)
{
    for (; first < end; first++)
        if (token_is(tokens, &tokens->tokens[first], "{"))
            return true;
    return false;
}

static struct error *add_item(struct definitions *definitions, const struct tokens *tokens,
                              const struct item *item)
{
    size_t begin = find_declarators(tokens, item);
    if (item->body != SIZE_MAX || declares_only_a_type(tokens, item) ||
        has_braces(tokens, item->first, begin))
        return add_whole(definitions, tokens, item);
    const struct item type = {.first = item->first, .end = begin};
    struct error *error = NULL;
    int depth = 0;
    for (size_t i = begin; i < item->end && !error; i++) {
        const struct token *token = &tokens->tokens[i];
        depth += token_depth_change(tokens, token);
        if (depth || (!token_is(tokens, token, ",") && !token_is(tokens, token, ";")))
            continue;
        error = add_variable(definitions, tokens, &type, begin, i);
        begin = i + 1;
    }
    return error;
}

/* --- What is defined anew. --- */

static bool defines(const struct tokens *tokens, const struct definition *definition)
{
    for (size_t i = 0; definition->name && i < tokens->count; i++)
        if (is_defined(tokens, i, definition->is_tag) &&
            token_is(tokens, &tokens->tokens[i], definition->name))
            return true;
    return false;
}

static struct error *mentions(const struct definition *definition, const struct definition *type,
                              bool *ret)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, definition->declaration, NULL, NULL);
    if (error)
        return error;
    for (size_t i = 0; type->name && i < tokens.count; i++)
        *ret |= token_is(&tokens, &tokens.tokens[i], type->name) &&
                (tokens.tokens[i].use == USE_TAG) == type->is_tag;
    tokens_deinit(&tokens);
    return NULL;
}

/* Marks what the text defines anew, and what is made of types that it defines anew. */
static struct error *find_stale(struct definitions *definitions, const struct tokens *tokens)
{
    struct error *error = NULL;
    for (size_t i = 0; i < definitions->count; i++)
        definitions->definitions[i].stale = defines(tokens, &definitions->definitions[i]);
    /* Each stands behind those that it mentions. */
    for (size_t i = 0; i < definitions->count; i++) {
        struct definition *user = &definitions->definitions[i];
        for (size_t j = 0; j < i && !user->stale && !error; j++)
            if (definitions->definitions[j].stale && definitions->definitions[j].is_type)
                error = mentions(user, &definitions->definitions[j], &user->stale);
    }
    return error;
}

static void forget_symbol(struct definitions *definitions, const char *name)
{
    for (size_t i = 0; i < definitions->symbol_count; i++) {
        if (strcmp(definitions->symbols[i].name, name) != 0)
            continue;
        free((char *)definitions->symbols[i].name);
        definitions->symbols[i] = definitions->symbols[--definitions->symbol_count];
        return;
    }
}

static void forget_stale(struct definitions *definitions)
{
    size_t kept = 0;
    for (size_t i = 0; i < definitions->count; i++) {
        struct definition *definition = &definitions->definitions[i];
        if (definition->stale) {
            if (definition->name && !definition->is_type)
                forget_symbol(definitions, definition->name);
            free_definition(definition);
        } else {
            definitions->definitions[kept++] = *definition;
        }
    }
    definitions->count = kept;
}

/* --- Addresses. --- */

static struct error *add_symbol(struct definitions *definitions, const struct code_symbol *symbol)
{
    for (size_t i = 0; i < definitions->symbol_count; i++) {
        if (strcmp(definitions->symbols[i].name, symbol->name) == 0) {
            definitions->symbols[i].address = symbol->address;
            return NULL;
        }
    }
    struct code_symbol *larger = reallocarray(definitions->symbols, definitions->symbol_count + 1,
                                              sizeof(*definitions->symbols));
    if (!larger)
        return error_no_memory();
    definitions->symbols = larger;
    larger[definitions->symbol_count].name = strdup(symbol->name);
    larger[definitions->symbol_count].address = symbol->address;
    if (!larger[definitions->symbol_count].name)
        return error_no_memory();
    definitions->symbol_count++;
    return NULL;
}

/* Of all symbols of the code those that the text itself declares. */
static struct error *add_symbols(struct definitions *definitions, const struct tokens *tokens,
                                 const struct compiled *code)
{
    struct error *error = NULL;
    for (size_t i = 0; i < tokens->count && !error; i++) {
        const struct token *token = &tokens->tokens[i];
        if (!token->at_file_level)
            continue;
        CLEANUP_FREE char *name = strndup(tokens->text + token->start, token->length);
        if (!name)
            return error_no_memory();
        uint64_t address = compiled_find(code, name);
        if (address)
            error = add_symbol(definitions, &(struct code_symbol){name, address});
    }
    return error;
}

struct error *definitions_add(struct definitions *definitions, const char *text,
                              const struct type_names *types, const struct compiled *code)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, text, types->is_type, types->context);
    if (error)
        return error;
    error = find_stale(definitions, &tokens);
    if (!error)
        forget_stale(definitions);
    struct item item;
    for (size_t at = 0; !error && next_item(&tokens, at, &item); at = item.end)
        error = add_item(definitions, &tokens, &item);
    if (!error)
        error = add_symbols(definitions, &tokens, code);
    tokens_deinit(&tokens);
    return error;
}

struct error *definitions_declare(struct definitions *definitions, const struct tokens *before,
                                  char **ret)
{
    size_t size;
    struct error *error = find_stale(definitions, before);
    if (error)
        return error;
    FILE *out = open_memstream(ret, &size);
    if (!out)
        return error_no_memory();
    for (size_t i = 0; i < definitions->count; i++)
        if (!definitions->definitions[i].stale)
            fprintf(out, "%s\n", definitions->definitions[i].declaration);
    return fclose(out) == 0 ? NULL : error_no_memory();
}

static bool is_called(const struct definition *definition, const char *name, size_t length)
{
    return definition->name && strlen(definition->name) == length &&
           memcmp(definition->name, name, length) == 0;
}

bool definitions_has(const struct definitions *definitions, const char *name, size_t length,
                     bool tag)
{
    for (size_t i = 0; i < definitions->count; i++)
        if (definitions->definitions[i].is_tag == tag &&
            is_called(&definitions->definitions[i], name, length))
            return true;
    return false;
}

bool definitions_has_type(const struct definitions *definitions, const char *name, size_t length)
{
    for (size_t i = 0; i < definitions->count; i++) {
        const struct definition *definition = &definitions->definitions[i];
        if (definition->is_type && !definition->is_tag && is_called(definition, name, length))
            return true;
    }
    return false;
}
