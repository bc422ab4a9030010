#include "src/crepl/complete.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/crepl/complete_members.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/prototypes.h"
#include "src/crepl/tokens.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_US 1000000
/* Entries between two looks at the clock. */
#define CLOCK_EVERY 4096

struct completing {
    struct crepl *crepl;
    const char *word;
    size_t length;
    const char *scope;  /* "file.c::" or "a::b::" in front of the word; "" */
    bool is_tagged;     /* struct, union or enum stands in front of it: */
    enum name_kind tag; /* that */
    bool in_program;    /* what is being looked at is the program's, not a library's */
    deadline_t deadline;
    complete_fn *add;
    void *context;
    bool found;
};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

size_t complete_word_start(const char *text)
{
    size_t start = strlen(text);
    while (start && is_name_character(text[start - 1]))
        start--;
    return start;
}

static void offer(struct completing *completing, const char *name)
{
    completing->found = true;
    completing->add(completing->context, name);
}

static bool begins(const struct completing *completing, const char *name)
{
    return strncmp(name, completing->word, completing->length) == 0;
}

/* --- Names of the debug information. --- */

/* Operators, destructors, templates and tables of the compiler have names that C has not. */
static bool is_identifier(const char *name)
{
    size_t length = strlen(name);
    return length && !complete_word_start(name) && !(*name >= '0' && *name <= '9') &&
           !token_is_keyword(name, length);
}

static bool fits_kind(const struct completing *completing, const struct name_entry *entry)
{
    bool is_value = entry->kind == NAME_VARIABLE || entry->kind == NAME_FUNCTION;
    if (completing->is_tagged)
        return entry->kind == completing->tag;
    if (entry->kind == NAME_NAMESPACE || (entry->in_function && !*completing->scope))
        return false;
    /* What libraries keep to themselves is many names that nobody looks for. */
    return !is_value || entry->external || completing->in_program || *completing->scope;
}

/* True when the scope that was typed ends the one that the entry stands in. */
static bool fits_scope(const struct completing *completing, const struct name_index *index,
                       const struct name_entry *entry)
{
    Dwarf_Die die;
    if (!*completing->scope)
        return true;
    if (!name_index_die(index, entry, &die))
        return false;
    CLEANUP_FREE char *spelled = name_spell(index, entry, &die, true);
    size_t wanted = strlen(completing->scope);
    size_t length = spelled ? strlen(spelled) - strlen(name_index_name(index, entry)) : 0;
    return length >= wanted && strncmp(spelled + length - wanted, completing->scope, wanted) == 0 &&
           (length == wanted || spelled[length - wanted - 1] == ':');
}

static void offer_entries(struct completing *completing, struct name_index *index)
{
    size_t count;
    if (*completing->scope)
        (void)name_index_add_locals(index);
    const struct name_entry *entries = name_index_all(index, &count);
    for (size_t i = 0; i < count; i++) {
        if (i % CLOCK_EVERY == 0 && deadline_passed(completing->deadline))
            return;
        const char *name = name_index_name(index, &entries[i]);
        if (begins(completing, name) && fits_kind(completing, &entries[i]) && is_identifier(name) &&
            fits_scope(completing, index, &entries[i]))
            offer(completing, name);
    }
}

static void offer_modules(struct completing *completing)
{
    struct module *module;
    struct name_index *index;
    for (size_t i = 0; names_module(completing->crepl->names, i, &module, &index); i++) {
        completing->in_program = i == 0;
        if (index && !names_is_manhole(module))
            offer_entries(completing, index);
    }
}

/* --- Others. --- */

static void offer_session(struct completing *completing)
{
    const struct definitions *definitions = &completing->crepl->definitions;
    const struct results *results = &completing->crepl->results;
    for (size_t i = 0; i < definitions->count; i++)
        if (definitions->definitions[i].name &&
            begins(completing, definitions->definitions[i].name))
            offer(completing, definitions->definitions[i].name);
    for (size_t i = 0; i < results->count && !completing->is_tagged; i++)
        if (begins(completing, results->results[i].name))
            offer(completing, results->results[i].name);
}

static void offer_language(struct completing *completing)
{
    const char *name;
    for (size_t i = 0; (name = prototype_name(i)); i++)
        if (begins(completing, name))
            offer(completing, name);
}

/* --- Where the word stands. --- */

/* A comment up to the end of the line is no token. */
static bool is_in_line_comment(const struct tokens *tokens, const struct token *last)
{
    const char *rest = tokens->text + (last ? last->start + last->length : 0);
    const char *line = strrchr(rest, '\n');
    return strstr(line ? line : rest, "//") != NULL;
}

/* True where the text ends in a comment, a string or a character. */
static bool is_hidden(const struct tokens *tokens)
{
    const struct token *last = tokens->count ? &tokens->tokens[tokens->count - 1] : NULL;
    if (tokens->incomplete == TEXT_IN_COMMENT || is_in_line_comment(tokens, last))
        return true;
    if (!last || (last->kind != TOKEN_STRING && last->kind != TOKEN_CHARACTER) ||
        tokens->text[last->start + last->length])
        return false;
    char end = tokens->text[last->start + last->length - 1];
    return last->length < 2 || (end != '"' && end != '\'');
}

/* "file.c::" in front of the word, as it was typed; malloc'ed; NULL without memory. */
static char *find_scope(const char *text)
{
    size_t length = strlen(text), start = length;
    if (length < 2 || strcmp(text + length - 2, "::") != 0)
        return strdup("");
    while (start && (is_name_character(text[start - 1]) || strchr(":.-\"", text[start - 1])))
        start--;
    return strdup(text + start);
}

/* The kind of type that stands in front: "struct na". */
static void find_tag(struct completing *completing, const struct tokens *tokens)
{
    static const struct {
        const char *word;
        enum name_kind kind;
    } tags[] = {{"struct", NAME_STRUCT},
                {"class", NAME_STRUCT},
                {"union", NAME_UNION},
                {"enum", NAME_ENUM}};
    const struct token *last = tokens->count ? &tokens->tokens[tokens->count - 1] : NULL;
    for (size_t i = 0; last && i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (!token_is(tokens, last, tags[i].word))
            continue;
        completing->is_tagged = true;
        completing->tag = tags[i].kind;
    }
}

static void complete_name(struct completing *completing, const struct tokens *tokens)
{
    CLEANUP_FREE char *scope = find_scope(tokens->text);
    completing->scope = scope;
    find_tag(completing, tokens);
    if (!scope || (!completing->length && !*scope && !completing->is_tagged))
        return;
    offer_modules(completing);
    if (!*scope)
        offer_session(completing);
    if (!*scope && !completing->is_tagged)
        offer_language(completing);
}

static void offer_member(void *context, const char *name)
{
    struct completing *completing = context;
    if (begins(completing, name) && is_identifier(name))
        offer(completing, name);
}

bool complete_c(struct crepl *crepl, const char *text, complete_fn *add, void *context)
{
    struct tokens tokens;
    size_t start = complete_word_start(text);
    struct completing completing = {.crepl = crepl,
                                    .word = text + start,
                                    .length = strlen(text + start),
                                    .deadline = deadline_after_us(PATIENCE_US),
                                    .add = add,
                                    .context = context};
    CLEANUP_FREE char *before = strndup(text, start);
    CLEANUP_ERROR struct error *error =
        before ? tokens_read(&tokens, before, NULL, NULL) : error_no_memory();
    if (error)
        return true;
    names_hurry(crepl->names, completing.deadline);
    bool hidden = is_hidden(&tokens);
    bool member = !hidden && complete_members(crepl, &tokens, offer_member, &completing);
    if (!hidden && !member)
        complete_name(&completing, &tokens);
    names_hurry(crepl->names, 0);
    tokens_deinit(&tokens);
    return hidden || member || completing.found;
}
