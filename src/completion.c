#include "src/completion.h"

#include "injector/deadline.h"
#include "src/resolve.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_US 500000

/* Shortens `common` to what it shares with `word`; the first word is taken whole. */
static void narrow_common(char **common, const char *word)
{
    if (!*common) {
        *common = strdup(word);
        return;
    }
    size_t same = 0;
    while ((*common)[same] && (*common)[same] == word[same])
        same++;
    (*common)[same] = '\0';
}

static void add_candidate(struct candidates *candidates, const char *word)
{
    candidates->total++;
    narrow_common(&candidates->common, word);
    if (candidates->count == CANDIDATES_MAX)
        return;
    char *copy = strdup(word);
    if (copy)
        candidates->words[candidates->count++] = copy;
}

static void add_symbols(struct symbol_names *symbols, const char *prefix,
                        struct candidates *candidates)
{
    const struct named_symbol *found;
    size_t count = symbol_names_begin_with(symbols, prefix, &found);
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(found[i].name, found[i - 1].name) != 0)
            add_candidate(candidates, found[i].name);
}

/* One line of the manhole's answer: a word, or the whole line as it would be. */
static void add_answer(struct candidates *candidates, const char *line, char *answer)
{
    const char *prefix = line + candidates->word_start;
    if (candidates->word_start && strncmp(answer, line, candidates->word_start) == 0)
        answer += candidates->word_start;
    answer[strcspn(answer, " \t\r")] = '\0';
    for (const char *c = answer; *c; c++)
        if ((unsigned char)*c < 0x21 || *c == 0x7f)
            return;
    if (*answer && strncmp(answer, prefix, strlen(prefix)) == 0)
        add_candidate(candidates, answer);
}

/* The manhole's answer, as text; NULL when it has none in time. */
static char *ask_manhole(struct client *client, const char *line)
{
    uint32_t id;
    CLEANUP_ERROR struct error *error =
        client_send(client, MANHOLE_COMPLETE, line, strlen(line), &id);
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

static void add_answers(struct client *client, const char *line, struct candidates *candidates)
{
    char *text = ask_manhole(client, line);
    char *position = NULL;
    for (char *one = text ? strtok_r(text, "\n", &position) : NULL; one;
         one = strtok_r(NULL, "\n", &position))
        add_answer(candidates, line, one);
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

void completion_find(struct client *client, struct symbol_names *symbols, const char *line,
                     struct candidates *ret)
{
    *ret = (struct candidates){0};
    ret->words = calloc(CANDIDATES_MAX, sizeof(*ret->words));
    if (!ret->words)
        return;
    const char *word = line + strlen(line);
    while (word > line && word[-1] != ' ' && word[-1] != '\t')
        word--;
    ret->word_start = (size_t)(word - line);
    if (wants_symbol(line, word))
        add_symbols(symbols, word, ret);
    if (!ret->total)
        add_answers(client, line, ret);
}

void candidates_deinit(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        free(candidates->words[i]);
    free(candidates->words);
    free(candidates->common);
    *candidates = (struct candidates){0};
}
