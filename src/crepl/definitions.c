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

static int depth_change(const struct tokens *tokens, const struct token *token)
{
    if (token_is(tokens, token, "{") || token_is(tokens, token, "(") ||
        token_is(tokens, token, "["))
        return 1;
    if (token_is(tokens, token, "}") || token_is(tokens, token, ")") ||
        token_is(tokens, token, "]"))
        return -1;
    return 0;
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
        depth += depth_change(&tokens, token);
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
        depth += depth_change(tokens, token);
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

/* A variable's declaration without its value; the item is written token by token. */
static void write_variable(const struct tokens *tokens, const struct item *item, FILE *out)
{
    int depth = 0;
    bool in_value = false;
    fputs("extern", out);
    for (size_t i = item->first; i < item->end; i++) {
        const struct token *token = &tokens->tokens[i];
        depth += depth_change(tokens, token);
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
        depth += depth_change(tokens, &tokens->tokens[at]);
        if (depth == 0 && !token_is(tokens, &tokens->tokens[at], "}"))
            return token_is(tokens, &tokens->tokens[at], ";");
    }
    return false;
}

static struct error *write_declaration(const struct tokens *tokens, const struct item *item,
                                       char **ret)
{
    size_t size;
    FILE *out = open_memstream(ret, &size);
    if (!out)
        return error_no_memory();
    const char *start = text_at(tokens, item->first);
    size_t first = tokens->tokens[item->first].start;
    if (item->body != SIZE_MAX)
        fprintf(out, "%.*s;", (int)(tokens->tokens[item->body].start - first), start);
    else if (declares_only_a_type(tokens, item))
        fprintf(out, "%.*s", (int)(text_end(tokens, item->end - 1) - first), start);
    else
        write_variable(tokens, item, out);
    return fclose(out) == 0 ? NULL : error_no_memory();
}

/* The first name that it declares: a tag where it declares only that. */
static char *copy_name(const struct tokens *tokens, const struct item *item)
{
    bool is_tag = declares_only_a_type(tokens, item) &&
                  !token_is(tokens, &tokens->tokens[item->first], "typedef");
    for (size_t i = item->first; i < item->end; i++)
        if (tokens->tokens[i].at_file_level && (tokens->tokens[i].use == USE_TAG) == is_tag)
            return strndup(text_at(tokens, i), tokens->tokens[i].length);
    return NULL;
}

static void forget(struct definitions *definitions, const char *name)
{
    for (size_t i = definitions->count; name && i-- > 0;) {
        struct definition *definition = &definitions->definitions[i];
        if (!definition->name || strcmp(definition->name, name) != 0)
            continue;
        free_definition(definition);
        definitions->count--;
        memmove(definition, definition + 1,
                (definitions->count - i) * sizeof(*definitions->definitions));
    }
}

static struct error *add_item(struct definitions *definitions, const struct tokens *tokens,
                              const struct item *item)
{
    struct definition *larger = reallocarray(definitions->definitions, definitions->count + 1,
                                             sizeof(*definitions->definitions));
    if (!larger)
        return error_no_memory();
    definitions->definitions = larger;
    struct definition definition = {.name = copy_name(tokens, item)};
    struct error *error = write_declaration(tokens, item, &definition.declaration);
    if (error) {
        free_definition(&definition);
        return error;
    }
    forget(definitions, definition.name);
    definitions->definitions[definitions->count++] = definition;
    return NULL;
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
                              const struct compiled *code)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, text, NULL, NULL);
    if (error)
        return error;
    struct item item;
    for (size_t at = 0; !error && next_item(&tokens, at, &item); at = item.end)
        error = add_item(definitions, &tokens, &item);
    if (!error)
        error = add_symbols(definitions, &tokens, code);
    tokens_deinit(&tokens);
    return error;
}

struct error *definitions_declare(const struct definitions *definitions, char **ret)
{
    size_t size;
    FILE *out = open_memstream(ret, &size);
    if (!out)
        return error_no_memory();
    for (size_t i = 0; i < definitions->count; i++)
        fprintf(out, "%s\n", definitions->definitions[i].declaration);
    return fclose(out) == 0 ? NULL : error_no_memory();
}

bool definitions_has(const struct definitions *definitions, const char *name, size_t length)
{
    for (size_t i = 0; i < definitions->count; i++) {
        const char *defined = definitions->definitions[i].name;
        if (defined && strlen(defined) == length && memcmp(defined, name, length) == 0)
            return true;
    }
    return false;
}
