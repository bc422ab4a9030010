#include "src/crepl/tokens_private.h"

#include <string.h>

/* --- What the neighbours of a name tell. --- */

static const struct token *token_at(const struct tokens *tokens, size_t at)
{
    static const struct token none = {.kind = TOKEN_PUNCTUATION};
    return at < tokens->count ? &tokens->tokens[at] : &none;
}

static bool is_at(const struct tokens *tokens, size_t at, const char *text)
{
    return at < tokens->count && token_is(tokens, &tokens->tokens[at], text);
}

static enum keyword_kind keyword_at(const struct tokens *tokens, size_t at)
{
    const struct token *token = token_at(tokens, at);
    return token->kind == TOKEN_NAME ? keyword_find(tokens->text + token->start, token->length)
                                     : KEYWORD_NONE;
}

static bool is_name(const struct tokens *tokens, size_t at)
{
    const struct token *token = token_at(tokens, at);
    return token->kind == TOKEN_QUALIFIED ||
           (token->kind == TOKEN_NAME && keyword_at(tokens, at) == KEYWORD_NONE);
}

/* Behind the bracket that closes the one at `at`, or the end. */
static size_t skip_brackets(const struct tokens *tokens, size_t at)
{
    size_t depth = 0;
    for (; at < tokens->count; at++) {
        if (is_at(tokens, at, "(") || is_at(tokens, at, "[") || is_at(tokens, at, "{"))
            depth++;
        else if ((is_at(tokens, at, ")") || is_at(tokens, at, "]") || is_at(tokens, at, "}")) &&
                 --depth == 0)
            return at + 1;
    }
    return at;
}

static bool begins_operand(const struct token *token)
{
    return token->kind != TOKEN_PUNCTUATION;
}

/* "T x", or "(T)" and "(T *)" before an operand. */
static bool is_type_place(const struct tokens *tokens, size_t at)
{
    if (is_name(tokens, at + 1))
        return true;
    size_t next = at + 1;
    if (!at || !is_at(tokens, at - 1, "("))
        return false;
    while (is_at(tokens, next, "*"))
        next++;
    return is_at(tokens, next, ")") &&
           (next > at + 1 || begins_operand(token_at(tokens, next + 1)));
}

static enum name_use use_of(const struct tokens *tokens, size_t at)
{
    if (!is_name(tokens, at))
        return USE_NONE;
    if (at && (is_at(tokens, at - 1, ".") || is_at(tokens, at - 1, "->")))
        return USE_MEMBER;
    if (at && keyword_at(tokens, at - 1) == KEYWORD_TAG)
        return USE_TAG;
    return USE_ORDINARY;
}

/* offsetof(T, member.member): what follows the comma. */
static void mark_offsetof(struct tokens *tokens, size_t at)
{
    bool behind_comma = false;
    if (!is_at(tokens, at + 1, "("))
        return;
    size_t end = skip_brackets(tokens, at + 1);
    for (size_t i = at + 2; i + 1 < end; i++) {
        if (is_at(tokens, i, ","))
            behind_comma = true;
        else if (behind_comma && tokens->tokens[i].use == USE_ORDINARY)
            tokens->tokens[i].use = USE_MEMBER;
    }
}

void tokens_find_uses(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        struct token *token = &tokens->tokens[i];
        token->use = use_of(tokens, i);
        token->type_place = token->use == USE_ORDINARY && is_type_place(tokens, i);
        token->called = token->use == USE_ORDINARY && is_at(tokens, i + 1, "(");
    }
    for (size_t i = 0; i < tokens->count; i++) {
        if (is_at(tokens, i, "offsetof") || is_at(tokens, i, "__builtin_offsetof"))
            mark_offsetof(tokens, i);
    }
}

/* --- What the snippet declares. --- */

struct search {
    struct tokens *tokens;
    bool (*is_type)(void *, const char *, size_t);
    void *context;
    bool at_file_level; /* of the declaration that is looked at */
};

/* All uses of the same name as the token's are of what is declared here. */
static void declare_name(struct search *search, size_t at, bool at_file_level)
{
    struct tokens *tokens = search->tokens;
    const struct token *token = &tokens->tokens[at];
    for (size_t i = 0; i < tokens->count; i++) {
        struct token *other = &tokens->tokens[i];
        if (other->kind != TOKEN_NAME || other->use != token->use ||
            other->length != token->length ||
            memcmp(tokens->text + other->start, tokens->text + token->start, token->length) != 0)
            continue;
        other->declared = true;
        other->at_file_level |= at_file_level;
    }
}

static void declare_enumerators(struct search *search, size_t at, size_t end)
{
    for (; at < end; at++) {
        if (is_name(search->tokens, at) &&
            (is_at(search->tokens, at - 1, "{") || is_at(search->tokens, at - 1, ",")))
            declare_name(search, at, search->at_file_level);
    }
}

/* struct, union or enum, with a tag, a body, or both. Returns the place behind. */
static size_t skip_tagged(struct search *search, size_t at)
{
    struct tokens *tokens = search->tokens;
    bool is_enum = is_at(tokens, at, "enum");
    size_t tag = ++at;
    if (is_name(tokens, at))
        at++;
    if (!is_at(tokens, at, "{"))
        return at;
    if (at > tag)
        declare_name(search, tag, search->at_file_level);
    size_t end = skip_brackets(tokens, at);
    if (is_enum)
        declare_enumerators(search, at + 1, end);
    return end;
}

/* True when the name at `at` can only be a type that begins a declaration. */
static bool is_type_name(struct search *search, size_t at)
{
    struct tokens *tokens = search->tokens;
    const struct token *token = token_at(tokens, at);
    if (token->use != USE_ORDINARY)
        return false;
    if (is_name(tokens, at + 1))
        return true;
    return (is_at(tokens, at + 1, "*") || is_at(tokens, at + 1, "(") ||
            is_at(tokens, at + 1, ",") || is_at(tokens, at + 1, ")")) &&
           search->is_type &&
           search->is_type(search->context, tokens->text + token->start, token->length);
}

/* The place behind "const unsigned long", "struct item", "robj"; `at` itself: no declaration. */
static size_t skip_specifiers(struct search *search, size_t at)
{
    struct tokens *tokens = search->tokens;
    bool named = false; /* the type itself was there */
    for (;;) {
        enum keyword_kind kind = keyword_at(tokens, at);
        if (kind == KEYWORD_TAG) {
            at = skip_tagged(search, at);
            named = true;
        } else if (kind == KEYWORD_TYPE) {
            bool qualifies = is_at(tokens, at, "const") || is_at(tokens, at, "volatile") ||
                             is_at(tokens, at, "static") || is_at(tokens, at, "extern") ||
                             is_at(tokens, at, "typedef") || is_at(tokens, at, "register") ||
                             is_at(tokens, at, "inline") || is_at(tokens, at, "restrict");
            named |= !qualifies;
            at++;
            if (is_at(tokens, at, "(") &&
                (is_at(tokens, at - 1, "typeof") || is_at(tokens, at - 1, "__typeof__")))
                at = skip_brackets(tokens, at);
        } else if (is_at(tokens, at, "__attribute__") || is_at(tokens, at, "_Alignas")) {
            at = skip_brackets(tokens, at + 1);
        } else if (!named && is_type_name(search, at)) {
            named = true;
            at++;
        } else {
            return at;
        }
    }
}

static size_t skip_declarator(struct search *search, size_t at, bool at_file_level);

/* The parameters between the parentheses that open at `at`. */
static size_t skip_parameters(struct search *search, size_t at)
{
    size_t end = skip_brackets(search->tokens, at);
    for (at++; at + 1 < end; at++) {
        size_t begin = at;
        at = skip_specifiers(search, at);
        if (at > begin)
            at = skip_declarator(search, at, false);
        while (at + 1 < end && !is_at(search->tokens, at, ","))
            at = is_at(search->tokens, at, "(") || is_at(search->tokens, at, "[")
                     ? skip_brackets(search->tokens, at)
                     : at + 1;
    }
    return end;
}

/* "*name", "(*name)(int)", "name[3]", "name(int x)". Returns the place behind. */
static size_t skip_declarator(struct search *search, size_t at, bool at_file_level)
{
    struct tokens *tokens = search->tokens;
    size_t open = 0;
    for (;; at++) {
        if (is_at(tokens, at, "("))
            open++;
        else if (!is_at(tokens, at, "*") && keyword_at(tokens, at) != KEYWORD_TYPE)
            break;
    }
    if (!is_name(tokens, at))
        return at;
    declare_name(search, at++, at_file_level);
    for (;;) {
        if (is_at(tokens, at, "("))
            at = skip_parameters(search, at);
        else if (is_at(tokens, at, "["))
            at = skip_brackets(tokens, at);
        else if (open && is_at(tokens, at, ")"))
            open--, at++;
        else
            return at;
    }
}

static void find_declaration(struct search *search, size_t at)
{
    struct tokens *tokens = search->tokens;
    size_t begin = at;
    at = skip_specifiers(search, at);
    if (at == begin)
        return;
    while (at < tokens->count) {
        size_t next = skip_declarator(search, at, search->at_file_level);
        if (next == at)
            return;
        at = next;
        while (at < tokens->count && !is_at(tokens, at, ",") && !is_at(tokens, at, ";")) {
            if (is_at(tokens, at, "{") && !is_at(tokens, at - 1, "="))
                return; /* the body of a function */
            at = is_at(tokens, at, "(") || is_at(tokens, at, "[") || is_at(tokens, at, "{")
                     ? skip_brackets(tokens, at)
                     : at + 1;
        }
        if (!is_at(tokens, at, ","))
            return;
        at++;
    }
}

static bool begins_statement(const struct tokens *tokens, size_t at)
{
    return !at || is_at(tokens, at - 1, ";") || is_at(tokens, at - 1, "{") ||
           is_at(tokens, at - 1, "}") ||
           (at > 1 && is_at(tokens, at - 1, "(") && is_at(tokens, at - 2, "for"));
}

void tokens_find_declared(struct tokens *tokens, bool (*is_type)(void *, const char *, size_t),
                          void *context)
{
    struct search search = {.tokens = tokens, .is_type = is_type, .context = context};
    size_t depth = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        search.at_file_level = !depth;
        if (begins_statement(tokens, i))
            find_declaration(&search, i);
        if (is_at(tokens, i, "{") || is_at(tokens, i, "("))
            depth++;
        else if (depth && (is_at(tokens, i, "}") || is_at(tokens, i, ")")))
            depth--;
    }
}

/* --- What is left open. --- */

static bool ends_in_operator(const struct tokens *tokens)
{
    static const char *const closing[] = {")", "]", "}", ";", "++", "--"};
    const struct token *last = &tokens->tokens[tokens->count - 1];
    if (last->kind != TOKEN_PUNCTUATION)
        return false;
    for (size_t i = 0; i < sizeof(closing) / sizeof(closing[0]); i++) {
        if (token_is(tokens, last, closing[i]))
            return false;
    }
    return true;
}

static size_t opening_of_last(const struct tokens *tokens)
{
    size_t depth = 0, at = tokens->count;
    while (at--) {
        if (is_at(tokens, at, ")"))
            depth++;
        else if (is_at(tokens, at, "(") && --depth == 0)
            return at;
    }
    return 0;
}

static bool has_word(const struct tokens *tokens, const char *word)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (is_at(tokens, i, word))
            return true;
    }
    return false;
}

/* "if (x)", "for (;;)", "int f(int x)": something has to follow. */
static bool ends_in_head(const struct tokens *tokens)
{
    if (!is_at(tokens, tokens->count - 1, ")"))
        return false;
    size_t open = opening_of_last(tokens);
    if (!open)
        return false;
    size_t word = open - 1;
    if (is_at(tokens, word, "while"))
        return !has_word(tokens, "do");
    if (is_at(tokens, word, "if") || is_at(tokens, word, "for") || is_at(tokens, word, "switch"))
        return true;
    /* A name that is declared here, and not the first word: "f(x)" alone is a call. */
    const struct token *name = &tokens->tokens[word];
    return word && name->declared && name->at_file_level &&
           (is_name(tokens, word - 1) || is_at(tokens, word - 1, "*") ||
            keyword_at(tokens, word - 1) == KEYWORD_TYPE) &&
           !has_word(tokens, "=");
}

enum incomplete tokens_find_open(const struct tokens *tokens)
{
    long depth = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        if (is_at(tokens, i, "(") || is_at(tokens, i, "[") || is_at(tokens, i, "{"))
            depth++;
        else if (is_at(tokens, i, ")") || is_at(tokens, i, "]") || is_at(tokens, i, "}"))
            depth--;
    }
    if (depth > 0)
        return TEXT_IN_BRACKETS;
    if (!tokens->count)
        return TEXT_COMPLETE;
    size_t last = tokens->count - 1;
    if (ends_in_operator(tokens) || is_at(tokens, last, "else") || is_at(tokens, last, "do") ||
        ends_in_head(tokens))
        return TEXT_IN_STATEMENT;
    return TEXT_COMPLETE;
}
