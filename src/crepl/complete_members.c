#include "src/crepl/complete_members.h"

#include "injector/cleanup.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/type_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Structures without a name within one another. */
#define DEPTH_MAX 16

/* --- What stands in front. --- */

static bool is_at(const struct tokens *tokens, size_t at, const char *text)
{
    return token_is(tokens, &tokens->tokens[at], text);
}

/* A name of a value: no keyword. */
static bool is_value(const struct tokens *tokens, size_t at)
{
    const struct token *token = &tokens->tokens[at];
    return token->kind == TOKEN_QUALIFIED || token->kind == TOKEN_DOLLAR ||
           (token->kind == TOKEN_NAME &&
            !token_is_keyword(tokens->text + token->start, token->length));
}

/* The bracket that the one at `at` closes; false: there is none. */
static bool find_opening(const struct tokens *tokens, size_t at, size_t *ret)
{
    size_t depth = 0;
    for (size_t i = at + 1; i-- > 0;) {
        if (is_at(tokens, i, ")") || is_at(tokens, i, "]"))
            depth++;
        else if ((is_at(tokens, i, "(") || is_at(tokens, i, "[")) && --depth == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/*
 * The first token of the operand that ends before `end`: "a->b[1].c(2)" in "x = *a->b[1].c(2)". A
 * cast in front is none of it. False: there is none.
 */
static bool find_operand(const struct tokens *tokens, size_t end, size_t *ret)
{
    size_t at = end;
    while (at > 0) {
        size_t last = at - 1, opening;
        if (is_at(tokens, last, ")") || is_at(tokens, last, "]")) {
            if (!find_opening(tokens, last, &opening))
                return false;
            bool follows =
                opening && (is_value(tokens, opening - 1) || is_at(tokens, opening - 1, ")") ||
                            is_at(tokens, opening - 1, "]"));
            at = opening;
            if (!follows) {
                *ret = at;
                return is_at(tokens, opening, "(");
            }
            continue;
        }
        if (!is_value(tokens, last))
            return false;
        at = last;
        if (!at || (!is_at(tokens, at - 1, ".") && !is_at(tokens, at - 1, "->"))) {
            *ret = at;
            return true;
        }
        at--;
    }
    return false;
}

static bool same_text(const struct tokens *tokens, size_t one, size_t other)
{
    const struct token *a = &tokens->tokens[one], *b = &tokens->tokens[other];
    return a->length == b->length &&
           memcmp(tokens->text + a->start, tokens->text + b->start, a->length) == 0;
}

/* Where the text itself declares the name of a token before it; false: it does not. */
static bool find_declaration(const struct tokens *tokens, size_t name, size_t *ret)
{
    for (size_t i = name; i-- > 1;) {
        const struct token *before = &tokens->tokens[i - 1];
        bool behind_type = is_at(tokens, i - 1, "*") || is_at(tokens, i - 1, ",") ||
                           before->kind == TOKEN_NAME || before->kind == TOKEN_QUALIFIED;
        if (tokens->tokens[i].declared && behind_type && same_text(tokens, i, name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static void print_tokens(FILE *out, const struct tokens *tokens, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        fprintf(out, "%.*s ", (int)tokens->tokens[i].length,
                tokens->text + tokens->tokens[i].start);
}

/*
 * "(*(struct item **)0)" for an `i` that "struct item *i" declares in a text that is not finished:
 * its place does not matter, its type does.
 */
static void print_stand_in(FILE *out, const struct tokens *tokens, size_t declared)
{
    size_t first = declared, stars = declared;
    while (first && !is_at(tokens, first - 1, ";") && !is_at(tokens, first - 1, "{") &&
           !is_at(tokens, first - 1, "}") && !is_at(tokens, first - 1, "("))
        first--;
    while (stars > first && is_at(tokens, stars - 1, "*"))
        stars--;
    size_t end = first;
    while (end < stars && tokens->tokens[end].kind != TOKEN_PUNCTUATION &&
           !tokens->tokens[end].declared)
        end++;
    fputs("(*(", out);
    print_tokens(out, tokens, first, end);
    print_tokens(out, tokens, stars, declared);
    fputs(declared + 1 < tokens->count && is_at(tokens, declared + 1, "[") ? "**)0)" : "*)0)", out);
}

/* What stands in front of the dot or arrow at the end, malloc'ed; NULL: nothing, or no memory. */
static char *find_expression(const struct tokens *tokens)
{
    size_t first, declared, size;
    char *text = NULL;
    if (!find_operand(tokens, tokens->count - 1, &first))
        return NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (tokens->tokens[first].kind == TOKEN_NAME && find_declaration(tokens, first, &declared))
        print_stand_in(out, tokens, declared);
    else
        print_tokens(out, tokens, first, first + 1);
    print_tokens(out, tokens, first + 1, tokens->count - 1);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* --- Its members. --- */

static void offer_members(struct crepl *crepl, struct module *module, const Dwarf_Die *type,
                          unsigned depth, complete_fn *add, void *context)
{
    Dwarf_Die die;
    struct layouts *layouts = declarer_layouts(crepl->declarer);
    if (depth > DEPTH_MAX || !layouts_strip(layouts, module, type, &die) ||
        !layout_is_aggregate(dwarf_tag(&die)))
        return;
    const struct layout *layout = layouts_get(layouts, module, &die);
    for (size_t i = 0; layout && i < layout->count; i++) {
        if (layout->members[i].name)
            add(context, layout->members[i].name);
        else if (layout->members[i].anonymous)
            offer_members(crepl, module, &layout->members[i].type, depth + 1, add, context);
    }
}

static void offer_of_type(struct crepl *crepl, const char *text, bool arrow, complete_fn *add,
                          void *context)
{
    struct type_text *type;
    if (!type_text_parse(text, crepl->declarer, &type))
        return;
    bool points = type->kind == TYPE_TEXT_POINTER || type->kind == TYPE_TEXT_ARRAY;
    const struct type_text *base = arrow && points ? type->target : arrow ? NULL : type;
    if (base && base->kind == TYPE_TEXT_BASE && base->has_die)
        offer_members(crepl, base->type.module, &base->type.die, 0, add, context);
    type_text_destroy(type);
}

bool complete_members(struct crepl *crepl, const struct tokens *tokens, complete_fn *add,
                      void *context)
{
    if (!tokens->count)
        return false;
    bool arrow = is_at(tokens, tokens->count - 1, "->");
    if (!arrow && !is_at(tokens, tokens->count - 1, "."))
        return false;
    struct session_answer answer;
    CLEANUP_FREE char *expression = find_expression(tokens), *type = NULL;
    if (!expression)
        return true;
    CLEANUP_ERROR struct error *error = crepl_find_type(crepl, expression, true, &type, &answer);
    if (!error && type)
        offer_of_type(crepl, type, arrow, add, context);
    return true;
}
