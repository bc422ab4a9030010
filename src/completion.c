#include "src/completion.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/crepl/complete.h"
#include "src/payload_file.h"
#include "src/python.h"
#include "src/resolve.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_US 500000
/* Candidates that are worth the memory. */
#define FOUND_MAX 1000000

/* --- Gathering. --- */

static void add_candidate(struct candidates *candidates, const char *word)
{
    if (candidates->count == candidates->capacity) {
        size_t larger = candidates->capacity ? 2 * candidates->capacity : 64;
        char **words =
            larger <= FOUND_MAX ? reallocarray(candidates->words, larger, sizeof(*words)) : NULL;
        if (!words)
            return;
        candidates->words = words;
        candidates->capacity = larger;
    }
    char *copy = strdup(word);
    if (copy)
        candidates->words[candidates->count++] = copy;
}

static void add_name(void *context, const char *name)
{
    add_candidate(context, name);
}

static int compare_words(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void drop_repeated(struct candidates *candidates)
{
    size_t kept = 0;
    if (candidates->count)
        qsort(candidates->words, candidates->count, sizeof(*candidates->words), compare_words);
    for (size_t i = 0; i < candidates->count; i++) {
        if (kept && strcmp(candidates->words[kept - 1], candidates->words[i]) == 0)
            free(candidates->words[i]);
        else
            candidates->words[kept++] = candidates->words[i];
    }
    candidates->count = candidates->total = kept;
}

/* What the first and the last have in common, all between them have too. */
static char *find_common(const struct candidates *candidates)
{
    if (!candidates->count)
        return NULL;
    const char *first = candidates->words[0], *last = candidates->words[candidates->count - 1];
    size_t same = 0;
    while (first[same] && first[same] == last[same])
        same++;
    return strndup(first, same);
}

static void finish(struct candidates *candidates)
{
    drop_repeated(candidates);
    candidates->common = find_common(candidates);
    while (candidates->count > CANDIDATES_MAX)
        free(candidates->words[--candidates->count]);
}

/* --- Symbols. --- */

static void add_symbols(struct symbol_names *symbols, const char *prefix,
                        struct candidates *candidates)
{
    const struct named_symbol *found;
    size_t count = symbol_names_begin_with(symbols, prefix, &found);
    for (size_t i = 0; i < count; i++)
        add_candidate(candidates, found[i].name);
}

/* Those that are names in C: no copies of the compiler's ("f.cold"), nothing mangled. */
static void add_c_symbols(struct symbol_names *symbols, const char *prefix,
                          struct candidates *candidates)
{
    const struct named_symbol *found;
    size_t count = *prefix ? symbol_names_begin_with(symbols, prefix, &found) : 0;
    for (size_t i = 0; i < count; i++)
        if (!complete_word_start(found[i].name) && strncmp(found[i].name, "_Z", 2) != 0 &&
            !strstr(found[i].module, PAYLOAD_SONAME))
            add_candidate(candidates, found[i].name);
}

/* --- The manhole. --- */

/* One line of the manhole's answer: a word, or the whole line as it would be. */
static void add_answer(struct candidates *candidates, const char *line, const char *prefix,
                       char *answer)
{
    size_t start = (size_t)(prefix - line);
    if (start && strncmp(answer, line, start) == 0)
        answer += start;
    answer[strcspn(answer, " \t\r")] = '\0';
    for (const char *c = answer; *c; c++)
        if ((unsigned char)*c < 0x21 || *c == 0x7f)
            return;
    if (*answer && strncmp(answer, prefix, strlen(prefix)) == 0)
        add_candidate(candidates, answer);
}

/* The manhole's answer, as text; NULL when it has none in time. */
static char *ask_manhole(struct client *client, enum manhole_frame_type type, const char *line)
{
    uint32_t id;
    CLEANUP_ERROR struct error *error = client_send(client, type, line, strlen(line), &id);
    deadline_t deadline = deadline_after_us(ANSWER_US);
    char *text = NULL;
    size_t size = 0;
    while (!error) {
        struct client_frame frame;
        error = client_wait(client, deadline, &frame);
        if (error || frame.id != id)
            continue;
        if (frame.type == MANHOLE_RESULT)
            return text;
        if (frame.type != MANHOLE_OUTPUT)
            continue;
        char *larger = realloc(text, size + frame.size + 1);
        if (!larger)
            break;
        text = larger;
        memcpy(text + size, frame.data, frame.size);
        size += frame.size;
        text[size] = '\0';
    }
    free(text);
    return NULL;
}

static void add_answers(struct client *client, enum manhole_frame_type type, const char *line,
                        const char *prefix, struct candidates *candidates)
{
    char *text = ask_manhole(client, type, line);
    char *position = NULL;
    for (char *one = text ? strtok_r(text, "\n", &position) : NULL; one;
         one = strtok_r(NULL, "\n", &position))
        add_answer(candidates, line, prefix, one);
    free(text);
}

/* Is the last word the first argument of a command that takes a symbol? */
static bool wants_symbol(const char *line, const char *word)
{
    const char *argument;
    size_t length;
    return (resolve_is_command(line, "sym", &argument, &length) ||
            resolve_is_command(line, "call", &argument, &length)) &&
           argument == word;
}

/* A command of the manhole, without its dot. */
static void complete_command(struct session *session, const char *command, const char *word,
                             struct candidates *candidates)
{
    if (wants_symbol(command, word))
        add_symbols(session->symbols, word, candidates);
    if (!candidates->count)
        add_answers(session->client, MANHOLE_COMPLETE, command, word, candidates);
}

/* --- All of them. --- */

static void add_own_commands(const char *prefix, struct candidates *candidates)
{
    const char *name;
    for (size_t i = 0; (name = crepl_command_name(i)); i++)
        if (strncmp(name, prefix, strlen(prefix)) == 0)
            add_candidate(candidates, name);
}

/* Names of C; and where no debug information has one, and no command, symbols. */
static void complete_text(struct evaluator *evaluator, const char *text, const char *word,
                          struct candidates *candidates)
{
    struct crepl *crepl = evaluator_crepl(evaluator);
    bool others = !crepl || !complete_c(crepl, text, add_name, candidates);
    if (others && !candidates->count)
        add_c_symbols(evaluator->session->symbols, word, candidates);
}

static void complete_c_line(struct evaluator *evaluator, const char *pending, const char *line,
                            const char *text, struct candidates *ret)
{
    ret->word_start = complete_word_start(line);
    const char *word = line + ret->word_start;
    bool first_word = !pending && text == word && text == line + strspn(line, " \t");
    CLEANUP_FREE char *whole = NULL;
    if (first_word)
        add_answers(evaluator->session->client, MANHOLE_COMPLETE, word, word, ret);
    size_t commands = ret->count;
    if (asprintf(&whole, "%s%s%s", pending ? pending : "", pending ? "\n" : "", text) < 0)
        whole = NULL;
    else
        complete_text(evaluator, whole, word, ret);
    ret->ends_word = commands == ret->count;
}

/* The last word, as the manhole's commands have them. */
static const char *last_word(const char *text)
{
    const char *word = text + strlen(text);
    while (word > text && word[-1] != ' ' && word[-1] != '\t')
        word--;
    return word;
}

/* The argument of a command that is one of some words. */
static void add_words(const char *command, const char *word, struct candidates *candidates)
{
    const char *words = crepl_command_words(command);
    while (words && *words) {
        size_t length = strcspn(words, "|]");
        CLEANUP_FREE char *one = strndup(words, length);
        if (one && strncmp(one, word, strlen(word)) == 0)
            add_candidate(candidates, one);
        words += length + (words[length] != '\0');
    }
}

static void complete_command_line(struct evaluator *evaluator, const char *line,
                                  const char *command, bool dotted, struct candidates *ret)
{
    const char *word = last_word(command);
    ret->word_start = (size_t)(word - line);
    ret->ends_word = true;
    if (dotted && word == command)
        add_own_commands(word, ret);
    if (dotted && word == command)
        add_answers(evaluator->session->client, MANHOLE_COMPLETE, command, word, ret);
    else
        complete_command(evaluator->session, command, word, ret);
}

void completion_find(struct evaluator *evaluator, const char *pending, const char *line,
                     struct candidates *ret)
{
    const char *text = line;
    enum text_kind kind = evaluator->is_python && pending ? TEXT_PYTHON
                          : pending                       ? TEXT_C
                                    : evaluator_text_kind(evaluator, line, &text);
    *ret = (struct candidates){0};
    switch (kind) {
    case TEXT_PYTHON:
        ret->word_start = python_word_start(line);
        add_answers(evaluator->session->client, MANHOLE_PYTHON_COMPLETE, line,
                    line + ret->word_start, ret);
        break;
    case TEXT_C:
        complete_c_line(evaluator, pending, line, text, ret);
        break;
    case TEXT_COMMAND:
    case TEXT_DOT_COMMAND:
        complete_command_line(evaluator, line, text, kind == TEXT_DOT_COMMAND, ret);
        break;
    case TEXT_DOT_ARGUMENT:
        ret->word_start = (size_t)(last_word(line) - line);
        ret->ends_word = true;
        add_words(text, line + ret->word_start, ret);
        break;
    }
    finish(ret);
}

void candidates_deinit(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        free(candidates->words[i]);
    free(candidates->words);
    free(candidates->common);
    *candidates = (struct candidates){0};
}
