/* Macros of the target that a snippet names, and what they stand for. */
#include "src/crepl/declare_private.h"
#include "src/crepl/macros.h"

#include <stdlib.h>
#include <string.h>

/* So many are beyond what anybody types. */
#define BODIES_MAX 1000

void macro_bodies_forget(struct declarer *declarer)
{
    for (struct macro_body *body = declarer->bodies, *next; body; body = next) {
        next = body->next;
        tokens_deinit(&body->tokens);
        free(body->text);
        free(body);
    }
    declarer->bodies = NULL;
}

/* The names of the parameters, "(a, b)", mean nothing outside. */
static void hide_parameters(struct tokens *tokens)
{
    size_t end = 0;
    if (!tokens->count || !token_is(tokens, &tokens->tokens[0], "(") ||
        tokens->tokens[0].start != 0)
        return;
    while (end < tokens->count && !token_is(tokens, &tokens->tokens[end], ")"))
        end++;
    for (size_t i = 1; i < end; i++) {
        const struct token *parameter = &tokens->tokens[i];
        for (size_t j = i; j < tokens->count && parameter->kind == TOKEN_NAME; j++) {
            struct token *token = &tokens->tokens[j];
            if (token->kind == TOKEN_NAME && token->length == parameter->length &&
                memcmp(tokens->text + token->start, tokens->text + parameter->start,
                       token->length) == 0)
                token->use = USE_NONE;
        }
    }
}

/* `text` is what follows the name. False without memory. */
static bool add_body(struct declaring *declaring, const char *text)
{
    struct declarer *declarer = declaring->declarer;
    struct macro_body *body = calloc(1, sizeof(*body));
    if (!body)
        return false;
    body->next = declarer->bodies;
    body->text = strdup(text);
    struct error *error =
        body->text ? tokens_read(&body->tokens, body->text, names_is_type, declarer->names)
                   : error_no_memory();
    if (error) {
        error_destroy(error);
        free(body->text);
        free(body);
        return false;
    }
    declarer->bodies = body;
    hide_parameters(&body->tokens);
    return declaring_add_roots(declaring, &body->tokens);
}

static size_t count_bodies(const struct declarer *declarer)
{
    size_t count = 0;
    for (const struct macro_body *body = declarer->bodies; body; body = body->next)
        count++;
    return count;
}

bool declare_macro(struct declaring *declaring, const struct root *root)
{
    struct declarer *declarer = declaring->declarer;
    const char *name = root->tokens->text + root->token->start, *text;
    size_t length = root->token->length;
    char *why;
    if (root->token->kind != TOKEN_NAME || root->token->use != USE_ORDINARY ||
        root->token->declared || count_bodies(declarer) >= BODIES_MAX)
        return false;
    if (!declarer->macros)
        declarer->macros = macros_create(declarer->names);
    if (!declarer->macros)
        return false;
    enum named_result result = macros_find(declarer->macros, name, length, &text, &why);
    if (result == NAMED_UNKNOWN)
        return false;
    if (result == NAMED_REFUSED && why)
        declaring_add_problem(declaring, PROBLEM_REFUSED, root, " %s", why);
    free(why);
    if (result == NAMED_FOUND) {
        fprintf(declaring->macros, "#define %s\n", text);
        declarer->no_memory |= !add_body(declaring, text + length);
    }
    return true;
}
