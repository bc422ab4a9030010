#include "src/crepl/type_text.h"

#include "src/crepl/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
#define BASE_MAX 256

struct parsing {
    struct tokens tokens;
    size_t at;
    unsigned depth;
};

void type_text_destroy(struct type_text *type)
{
    while (type) {
        struct type_text *target = type->target;
        free(type->name);
        free(type);
        type = target;
    }
}

static bool is_next(const struct parsing *parsing, const char *text)
{
    return parsing->at < parsing->tokens.count &&
           token_is(&parsing->tokens, &parsing->tokens.tokens[parsing->at], text);
}

/* Words that say nothing of the value. */
static bool skip_qualifier(struct parsing *parsing)
{
    static const char *const words[] = {"const",  "volatile", "extern",
                                        "static", "inline",   "restrict"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_next(parsing, words[i])) {
            parsing->at++;
            return true;
        }
    }
    return false;
}

/* "unsigned long", "struct item", into buffer. */
static bool parse_base(struct parsing *parsing, char buffer[BASE_MAX])
{
    size_t used = 0;
    buffer[0] = '\0';
    while (parsing->at < parsing->tokens.count) {
        if (skip_qualifier(parsing))
            continue;
        const struct token *token = &parsing->tokens.tokens[parsing->at];
        if (token->kind != TOKEN_NAME)
            break;
        used += (size_t)snprintf(buffer + used, BASE_MAX - used, "%s%.*s", used ? " " : "",
                                 (int)token->length, parsing->tokens.text + token->start);
        if (used >= BASE_MAX)
            return false;
        parsing->at++;
    }
    return used > 0;
}

/* Puts one more in front of what `*at` points to: the outermost last. */
static bool wrap(struct type_text **at, enum type_text_kind kind, uint64_t count)
{
    struct type_text *type = calloc(1, sizeof(*type));
    if (!type)
        return false;
    *type = (struct type_text){.kind = kind, .target = *at, .count = count};
    *at = type;
    return true;
}

static bool skip_parentheses(struct parsing *parsing)
{
    size_t depth = 0;
    for (; parsing->at < parsing->tokens.count; parsing->at++) {
        if (is_next(parsing, "("))
            depth++;
        else if (is_next(parsing, ")") && --depth == 0) {
            parsing->at++;
            return true;
        }
    }
    return false;
}

/* The dimensions from here on: the first of them is the outermost. */
static bool parse_dimensions(struct parsing *parsing, struct type_text **type)
{
    uint64_t count = 0;
    if (!is_next(parsing, "["))
        return true;
    parsing->at++;
    if (parsing->at < parsing->tokens.count && !is_next(parsing, "]")) {
        const struct token *token = &parsing->tokens.tokens[parsing->at++];
        count = strtoull(parsing->tokens.text + token->start, NULL, 10);
    }
    if (!is_next(parsing, "]"))
        return false;
    parsing->at++;
    return parse_dimensions(parsing, type) && wrap(type, TYPE_TEXT_ARRAY, count);
}

static bool is_function(const struct parsing *parsing)
{
    const struct tokens *tokens = &parsing->tokens;
    return is_next(parsing, "(") && !(parsing->at + 1 < tokens->count &&
                                      (token_is(tokens, &tokens->tokens[parsing->at + 1], "*") ||
                                       token_is(tokens, &tokens->tokens[parsing->at + 1], "(")));
}

static bool parse_declarator(struct parsing *parsing, struct type_text **type);

/* What is in parentheses stands nearer to the name than what follows them. */
static bool parse_enclosed(struct parsing *parsing, struct type_text **type)
{
    size_t inside = ++parsing->at, end;
    parsing->at--;
    if (!skip_parentheses(parsing))
        return false;
    bool good = true;
    if (is_next(parsing, "("))
        good = skip_parentheses(parsing) && wrap(type, TYPE_TEXT_FUNCTION, 0);
    else
        good = parse_dimensions(parsing, type);
    end = parsing->at;
    parsing->at = inside;
    good = good && parse_declarator(parsing, type) && is_next(parsing, ")");
    parsing->at = end;
    return good;
}

static bool parse_declarator(struct parsing *parsing, struct type_text **type)
{
    if (++parsing->depth > DEPTH_MAX)
        return false;
    for (;;) {
        if (is_next(parsing, "*")) {
            parsing->at++;
            if (!wrap(type, TYPE_TEXT_POINTER, 0))
                return false;
        } else if (!skip_qualifier(parsing)) {
            break;
        }
    }
    if (is_function(parsing))
        return skip_parentheses(parsing) && wrap(type, TYPE_TEXT_FUNCTION, 0);
    if (is_next(parsing, "("))
        return parse_enclosed(parsing, type);
    return parse_dimensions(parsing, type);
}

bool type_text_parse(const char *text, struct declarer *declarer, struct type_text **ret)
{
    struct parsing parsing = {0};
    char base[BASE_MAX];
    struct type_text *type = calloc(1, sizeof(*type));
    CLEANUP_ERROR struct error *error = tokens_read(&parsing.tokens, text, NULL, NULL);
    bool good = type && !error && parse_base(&parsing, base);
    if (good) {
        bool tagged = strncmp(base, "struct ", 7) == 0 || strncmp(base, "union ", 6) == 0 ||
                      strncmp(base, "enum ", 5) == 0;
        type->name = strdup(base);
        type->has_die = tagged && declarer && declarer_find_type(declarer, base, &type->type);
        good =
            type->name && parse_declarator(&parsing, &type) && parsing.at == parsing.tokens.count;
    }
    tokens_deinit(&parsing.tokens);
    if (!good) {
        type_text_destroy(type);
        return false;
    }
    *ret = type;
    return true;
}
