#include "src/crepl/complain.h"

#include "src/crepl/crepl_private.h"
#include "src/crepl/tokens.h"

#include <stdio.h>
#include <string.h>

/* A text with what is said of it. */
struct complained {
    const char *text;
    struct tokens tokens;
    const struct complaint *complaint;
    struct text_place *place;
};

/* --- Places. --- */

void text_place_set(const char *text, size_t start, size_t length, struct text_place *ret)
{
    *ret = (struct text_place){.line = 1, .start = start, .length = length};
    for (size_t i = 0; i < start; i++)
        ret->line += text[i] == '\n';
}

static int line_of(const char *text, const struct token *token)
{
    struct text_place place;
    text_place_set(text, token->start, token->length, &place);
    return place.line;
}

/* The only token that is this word, in that line (0: in the text); *count says how many there are.
 */
static const struct token *find_only(const struct complained *complained, int line,
                                     const char *word, size_t length, enum name_use use,
                                     size_t *count)
{
    const struct token *found = NULL;
    *count = 0;
    for (size_t i = 0; i < complained->tokens.count; i++) {
        const struct token *token = &complained->tokens.tokens[i];
        if (token->length != length ||
            strncmp(complained->text + token->start, word, length) != 0 ||
            (use && (token->use == USE_MEMBER) != (use == USE_MEMBER)) ||
            (line > 0 && line_of(complained->text, token) != line))
            continue;
        found = token;
        ++*count;
    }
    return *count == 1 ? found : NULL;
}

/* In the line that the compiler names. It reads one word ahead, and that one may be the first of
   the next line: then anywhere. */
static const struct token *find_place(const struct complained *complained, const char *word,
                                      size_t length, enum name_use use)
{
    size_t count;
    const struct token *found =
        find_only(complained, complained->complaint->line, word, length, use, &count);
    return count ? found : find_only(complained, 0, word, length, use, &count);
}

/* A function's name, where the text calls no other. */
static const struct token *find_only_call(const struct complained *complained)
{
    const struct token *found = NULL;
    for (size_t i = 0; i < complained->tokens.count; i++) {
        const struct token *token = &complained->tokens.tokens[i];
        if (!token->called || token->use == USE_NONE)
            continue;
        if (found)
            return NULL;
        found = token;
    }
    return found;
}

/* The words that messages of libtcc 0.9.27 (tccgen.c, tccpp.c) have of the text, and nothing else
   has: what stands before the word, and behind it. */
static const struct message_form {
    const char *before, *after;
    enum name_use use; /* USE_MEMBER; USE_ORDINARY: anything else; USE_NONE: either */
} forms[] = {
    {"(got \"", "\")", USE_NONE},
    {"field not found: ", "", USE_MEMBER},
    {"implicit declaration of function '", "'", USE_ORDINARY},
    {"label '", "' used but not defined", USE_ORDINARY},
    {"redefinition of '", "'", USE_ORDINARY},
    {"redeclaration of '", "'", USE_ORDINARY},
    {"'", "' undeclared", USE_ORDINARY},
};

/* The word of a message; returns its length. */
static size_t find_word(const char *message, const struct message_form *form, const char **ret)
{
    const char *begin = strstr(message, form->before);
    if (!begin)
        return 0;
    begin += strlen(form->before);
    const char *end = *form->after ? strstr(begin, form->after) : begin + strlen(begin);
    *ret = begin;
    return end ? (size_t)(end - begin) : 0;
}

static const struct token *find_named(const struct complained *complained)
{
    const char *message = complained->complaint->text;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const char *word;
        size_t length = find_word(message, &forms[i], &word);
        if (length)
            return find_place(complained, word, length, forms[i].use);
    }
    return strstr(message, "arguments to function") ? find_only_call(complained) : NULL;
}

/* Where a line of a text begins; NULL: it has no such line. */
static const char *find_line(const char *text, int line)
{
    while (text && --line > 0) {
        text = strchr(text, '\n');
        text += text != NULL;
    }
    return text;
}

/*
 * The column, where the compiler knows one: in bytes or in characters of a terminal, which is the
 * same only in plain text; and where what was compiled is what was typed that far.
 */
static bool find_column(const struct complained *complained, const char *compiled)
{
    const struct complaint *complaint = complained->complaint;
    const char *typed = find_line(complained->text, complaint->line);
    compiled = find_line(compiled, complaint->line);
    if (complaint->line < 1 || complaint->column < 1 || !typed || !compiled)
        return false;
    size_t before = (size_t)complaint->column - 1;
    for (size_t i = 0; i < before; i++)
        if (typed[i] < ' ' || typed[i] > '~' || typed[i] != compiled[i])
            return false;
    size_t start = (size_t)(typed - complained->text) + before, length = 1;
    for (size_t i = 0; i < complained->tokens.count; i++)
        if (complained->tokens.tokens[i].start == start)
            length = complained->tokens.tokens[i].length;
    if (!complained->text[start])
        return false;
    text_place_set(complained->text, start, length, complained->place);
    return true;
}

/* --- What the compiler does not see. --- */

/* A bracket that closes what was not opened: the text around it makes the compiler see another. */
static const struct token *find_closing(const struct complained *complained)
{
    int depth[3] = {0};
    static const char brackets[][2] = {{'(', ')'}, {'[', ']'}, {'{', '}'}};
    for (size_t i = 0; i < complained->tokens.count; i++) {
        const struct token *token = &complained->tokens.tokens[i];
        char c = complained->text[token->start];
        for (size_t j = 0; token->kind == TOKEN_PUNCTUATION && token->length == 1 && j < 3; j++) {
            depth[j] += (c == brackets[j][0]) - (c == brackets[j][1]);
            if (depth[j] < 0)
                return token;
        }
    }
    return NULL;
}

/* The bracket that was opened last of those that nothing closes. */
static const struct token *find_open(const struct complained *complained)
{
    size_t closed = 0;
    for (size_t i = complained->tokens.count; i-- > 0;) {
        const struct token *token = &complained->tokens.tokens[i];
        char c = complained->text[token->start];
        if (token->kind != TOKEN_PUNCTUATION || token->length != 1)
            continue;
        if (strchr(")]}", c))
            closed++;
        else if (strchr("([{", c) && closed-- == 0)
            return token;
    }
    return NULL;
}

/* The compiler came to the end of a text that is not whole. It reads one word ahead: where the text
   is whole, the mistake may be in the last word. */
static bool complain_of_end(const struct complained *complained, struct session_answer *answer)
{
    const struct tokens *tokens = &complained->tokens;
    const struct token *open =
        tokens->incomplete == TEXT_IN_BRACKETS ? find_open(complained) : NULL;
    if (!complained->complaint->at_end || tokens->incomplete == TEXT_COMPLETE || !tokens->count)
        return false;
    if (open) {
        answer_refuse(answer, "'%c' is not closed", complained->text[open->start]);
        text_place_set(complained->text, open->start, open->length, complained->place);
        return true;
    }
    const struct token *last = &tokens->tokens[tokens->count - 1];
    answer_refuse(answer, "something is missing at the end");
    text_place_set(complained->text, last->start + last->length, 1, complained->place);
    return true;
}

/* For a name that exists nowhere the compiler only knows that it is not declared, or sees another
   mistake behind it. */
static const struct problem *find_unknown(const struct declarations *declarations,
                                          const struct complaint *complaint)
{
    const char *word = NULL;
    size_t length = find_word(complaint->text, &forms[0], &word);
    for (size_t i = 0; i < declarations->problem_count; i++) {
        const struct problem *problem = &declarations->problems[i];
        bool is_got = length == problem->length && strncmp(problem->text, word, length) == 0;
        if (problem->kind == PROBLEM_UNKNOWN && !is_got)
            return problem;
    }
    return NULL;
}

/* --- All together. --- */

static void complain(struct complained *complained, const struct declarations *declarations,
                     struct session_answer *answer)
{
    const struct complaint *complaint = complained->complaint;
    const struct token *closing = find_closing(complained);
    const struct problem *unknown =
        strncmp(complaint->text, "label '", 7) == 0 ? NULL : find_unknown(declarations, complaint);
    if (closing) {
        answer_refuse(answer, "'%c' closes nothing", complained->text[closing->start]);
        text_place_set(complained->text, closing->start, closing->length, complained->place);
        return;
    }
    if (unknown) {
        complain_problem(complained->text, unknown, answer, complained->place);
        return;
    }
    if (complain_of_end(complained, answer))
        return;
    answer_refuse(answer, "%s", complaint->text);
    if (find_column(complained, declarations->snippet))
        return;
    const struct token *named = find_named(complained);
    if (named)
        text_place_set(complained->text, named->start, named->length, complained->place);
    else
        *complained->place = (struct text_place){.line = complaint->line, .is_near = true};
}

void complain_compiler(const char *text, const struct declarations *declarations,
                       const struct complaint *complaint, struct session_answer *answer,
                       struct text_place *place)
{
    struct complained complained = {.text = text, .complaint = complaint, .place = place};
    struct error *error = tokens_read(&complained.tokens, text, NULL, NULL);
    if (error) { /* no memory to find the place */
        error_destroy(error);
        answer_refuse(answer, "%s", complaint->text);
        return;
    }
    complain(&complained, declarations, answer);
    tokens_deinit(&complained.tokens);
}

void complain_problem(const char *text, const struct problem *problem,
                      struct session_answer *answer, struct text_place *place)
{
    answer_refuse(answer, "%s", problem->text);
    if (problem->length && problem->start + problem->length <= strlen(text))
        text_place_set(text, problem->start, problem->length, place);
}
