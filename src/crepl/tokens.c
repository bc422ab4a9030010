#include "src/crepl/tokens.h"

#include "src/crepl/tokens_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct tokens *tokens;
    size_t at, capacity;
    bool line_start; /* only blanks stand before on this line */
};

bool token_is(const struct tokens *tokens, const struct token *token, const char *text)
{
    return strlen(text) == token->length &&
           memcmp(tokens->text + token->start, text, token->length) == 0;
}

int token_depth_change(const struct tokens *tokens, const struct token *token)
{
    if (token_is(tokens, token, "{") || token_is(tokens, token, "(") ||
        token_is(tokens, token, "["))
        return 1;
    if (token_is(tokens, token, "}") || token_is(tokens, token, ")") ||
        token_is(tokens, token, "]"))
        return -1;
    return 0;
}

void tokens_deinit(struct tokens *tokens)
{
    free(tokens->tokens);
    *tokens = (struct tokens){0};
}

/* Sorted. What begins a declaration by itself is marked. */
static const struct keyword {
    const char *word;
    enum keyword_kind kind;
} keywords[] = {
    {"_Alignas", KEYWORD_OTHER},
    {"_Alignof", KEYWORD_OTHER},
    {"_Atomic", KEYWORD_TYPE},
    {"_Bool", KEYWORD_TYPE},
    {"_Complex", KEYWORD_TYPE},
    {"_Float128", KEYWORD_TYPE},
    {"_Generic", KEYWORD_OTHER},
    {"_Noreturn", KEYWORD_TYPE},
    {"_Static_assert", KEYWORD_OTHER},
    {"_Thread_local", KEYWORD_TYPE},
    {"__alignof__", KEYWORD_OTHER},
    {"__attribute__", KEYWORD_OTHER},
    {"__builtin_offsetof", KEYWORD_OTHER},
    {"__extension__", KEYWORD_TYPE},
    {"__float128", KEYWORD_TYPE},
    {"__inline", KEYWORD_TYPE},
    {"__inline__", KEYWORD_TYPE},
    {"__int128", KEYWORD_TYPE},
    {"__restrict", KEYWORD_TYPE},
    {"__thread", KEYWORD_TYPE},
    {"__typeof__", KEYWORD_TYPE},
    {"__volatile__", KEYWORD_TYPE},
    {"auto", KEYWORD_TYPE},
    {"break", KEYWORD_OTHER},
    {"case", KEYWORD_OTHER},
    {"char", KEYWORD_TYPE},
    {"const", KEYWORD_TYPE},
    {"continue", KEYWORD_OTHER},
    {"default", KEYWORD_OTHER},
    {"do", KEYWORD_OTHER},
    {"double", KEYWORD_TYPE},
    {"else", KEYWORD_OTHER},
    {"enum", KEYWORD_TAG},
    {"extern", KEYWORD_TYPE},
    {"float", KEYWORD_TYPE},
    {"for", KEYWORD_OTHER},
    {"goto", KEYWORD_OTHER},
    {"if", KEYWORD_OTHER},
    {"inline", KEYWORD_TYPE},
    {"int", KEYWORD_TYPE},
    {"long", KEYWORD_TYPE},
    {"register", KEYWORD_TYPE},
    {"restrict", KEYWORD_TYPE},
    {"return", KEYWORD_OTHER},
    {"short", KEYWORD_TYPE},
    {"signed", KEYWORD_TYPE},
    {"sizeof", KEYWORD_OTHER},
    {"static", KEYWORD_TYPE},
    {"struct", KEYWORD_TAG},
    {"switch", KEYWORD_OTHER},
    {"typedef", KEYWORD_TYPE},
    {"typeof", KEYWORD_TYPE},
    {"union", KEYWORD_TAG},
    {"unsigned", KEYWORD_TYPE},
    {"void", KEYWORD_TYPE},
    {"volatile", KEYWORD_TYPE},
    {"while", KEYWORD_OTHER},
};

enum keyword_kind keyword_find(const char *name, size_t length)
{
    size_t low = 0, high = sizeof(keywords) / sizeof(keywords[0]);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(keywords[middle].word, name, length);
        if (!order && keywords[middle].word[length])
            order = 1;
        if (!order)
            return keywords[middle].kind;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return KEYWORD_NONE;
}

bool token_is_keyword(const char *name, size_t length)
{
    return keyword_find(name, length) != KEYWORD_NONE;
}

/* --- One token. --- */

static bool append(struct reader *reader, enum token_kind kind, size_t start)
{
    struct tokens *tokens = reader->tokens;
    if (tokens->count == reader->capacity) {
        size_t larger = reader->capacity ? 2 * reader->capacity : 64;
        struct token *all = reallocarray(tokens->tokens, larger, sizeof(*all));
        if (!all)
            return false;
        tokens->tokens = all;
        reader->capacity = larger;
    }
    tokens->tokens[tokens->count++] =
        (struct token){.kind = kind, .start = start, .length = reader->at - start};
    return true;
}

static bool begins_name(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_name(char c)
{
    return begins_name(c) || isdigit((unsigned char)c);
}

/* The end of a string or character constant: behind its quote, or where its line ends. */
static size_t end_of_quoted(const char *text, size_t at)
{
    char quote = text[at++];
    while (text[at] && text[at] != quote && text[at] != '\n') {
        if (text[at] == '\\' && text[at + 1])
            at++;
        at++;
    }
    return text[at] == quote ? at + 1 : at;
}

/* A number of the preprocessor: 0x1p-3, 1.5e+10f (C17 6.4.8). */
static size_t end_of_number(const char *text, size_t at)
{
    while (continues_name(text[at]) || text[at] == '.' ||
           ((text[at] == '+' || text[at] == '-') && strchr("eEpP", text[at - 1])))
        at++;
    return at;
}

static size_t end_of_punctuation(const char *text, size_t at)
{
    static const char *const longer[] = {"...", "<<=", ">>=", "->", "++", "--", "<<", ">>",
                                         "<=",  ">=",  "==",  "!=", "&&", "||", "*=", "/=",
                                         "%=",  "+=",  "-=",  "&=", "^=", "|=", "##", "::"};
    for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
        size_t length = strlen(longer[i]);
        if (strncmp(text + at, longer[i], length) == 0)
            return at + length;
    }
    return at + 1;
}

static bool read_token(struct reader *reader)
{
    const char *text = reader->tokens->text;
    size_t start = reader->at;
    char c = text[start];
    enum token_kind kind = TOKEN_PUNCTUATION;
    if (c == '$' && continues_name(text[start + 1])) {
        kind = TOKEN_DOLLAR;
        reader->at++;
        while (continues_name(text[reader->at]))
            reader->at++;
    } else if (begins_name(c)) {
        kind = TOKEN_NAME;
        while (continues_name(text[reader->at]) || text[reader->at] == '$')
            reader->at++;
    } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)text[start + 1]))) {
        kind = TOKEN_NUMBER;
        reader->at = end_of_number(text, start);
    } else if (c == '"' || c == '\'') {
        kind = c == '"' ? TOKEN_STRING : TOKEN_CHARACTER;
        reader->at = end_of_quoted(text, start);
    } else {
        reader->at = end_of_punctuation(text, start);
    }
    return append(reader, kind, start);
}

/* --- What stands between tokens. --- */

static void skip_line(struct reader *reader)
{
    const char *text = reader->tokens->text;
    while (text[reader->at] && text[reader->at] != '\n') {
        if (text[reader->at] == '\\' && text[reader->at + 1])
            reader->at++;
        reader->at++;
    }
}

/* False when there is nothing to skip here. */
static bool skip_one(struct reader *reader)
{
    const char *text = reader->tokens->text;
    const char *here = text + reader->at;
    if (here[0] == '\\' && (here[1] == '\n' || !here[1])) {
        if (!here[1] || !here[2])
            reader->tokens->incomplete = TEXT_IN_LINE;
        reader->at += here[1] ? 2 : 1;
    } else if (isspace((unsigned char)here[0])) {
        reader->line_start |= here[0] == '\n';
        reader->at++;
    } else if (here[0] == '/' && here[1] == '/') {
        skip_line(reader);
    } else if (here[0] == '/' && here[1] == '*') {
        const char *end = strstr(here + 2, "*/");
        if (!end)
            reader->tokens->incomplete = TEXT_IN_COMMENT;
        reader->at = end ? (size_t)(end + 2 - text) : strlen(text);
    } else if (here[0] == '#' && reader->line_start) {
        skip_line(reader);
    } else {
        return false;
    }
    return true;
}

static bool read_all(struct reader *reader)
{
    while (reader->tokens->text[reader->at]) {
        if (skip_one(reader))
            continue;
        reader->line_start = false;
        if (!read_token(reader))
            return false;
    }
    return true;
}

/* --- Qualified names. --- */

static bool touches(const struct token *left, const struct token *right)
{
    return left->start + left->length == right->start;
}

/* The first of the tokens that with the "::" at `at` make a name: [name .]* name, or a string. */
static size_t first_of_qualified(const struct tokens *tokens, size_t at)
{
    const struct token *all = tokens->tokens;
    size_t first = at;
    if (!at || !touches(&all[at - 1], &all[at]))
        return at;
    if (all[at - 1].kind == TOKEN_STRING || all[at - 1].kind == TOKEN_QUALIFIED)
        return at - 1;
    if (all[at - 1].kind != TOKEN_NAME ||
        token_is_keyword(tokens->text + all[at - 1].start, all[at - 1].length))
        return at;
    for (first = at - 1; first >= 2; first -= 2) {
        if (!token_is(tokens, &all[first - 1], ".") || all[first - 2].kind != TOKEN_NAME ||
            !touches(&all[first - 1], &all[first]) || !touches(&all[first - 2], &all[first - 1]))
            break;
    }
    return first;
}

/* Each "::" becomes one token with what it joins. */
static void join_qualified(struct tokens *tokens)
{
    struct token *all = tokens->tokens;
    size_t count = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        all[count++] = all[i];
        bool joins = token_is(tokens, &all[i], "::") && i + 1 < tokens->count &&
                     all[i + 1].kind == TOKEN_NAME && touches(&all[i], &all[i + 1]);
        if (!joins)
            continue;
        size_t first = first_of_qualified(tokens, count - 1);
        size_t end = all[i + 1].start + all[i + 1].length;
        all[first].kind = TOKEN_QUALIFIED;
        all[first].length = end - all[first].start;
        count = first + 1;
        i++;
    }
    tokens->count = count;
}

struct error *tokens_read(struct tokens *tokens, const char *text,
                          bool (*is_type)(void *context, const char *name, size_t length),
                          void *context)
{
    *tokens = (struct tokens){.text = text};
    struct reader reader = {.tokens = tokens, .line_start = true};
    if (!read_all(&reader)) {
        tokens_deinit(tokens);
        return error_no_memory();
    }
    join_qualified(tokens);
    tokens_find_uses(tokens);
    tokens_find_declared(tokens, is_type, context);
    if (tokens->incomplete == TEXT_COMPLETE)
        tokens->incomplete = tokens_find_open(tokens);
    return NULL;
}
