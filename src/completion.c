#include "src/completion.h"

#include "injector/deadline.h"
#include "injector/maps.h"
#include "injector/module.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_US 500000

struct names {
    const char **names; /* owned by the modules */
    size_t count, capacity;
};

struct completion {
    struct client *client;
    const struct process *process;
    bool indexed;
    struct maps *maps;
    struct modules *modules;
    struct names symbols; /* ascending, none twice */
};

struct completion *completion_create(struct client *client, const struct process *process)
{
    struct completion *completion = calloc(1, sizeof(*completion));
    if (completion)
        *completion = (struct completion){.client = client, .process = process};
    return completion;
}

void completion_destroy(struct completion *completion)
{
    if (!completion)
        return;
    free(completion->symbols.names);
    modules_destroy(completion->modules);
    maps_destroy(completion->maps);
    free(completion);
}

static bool collect_name(const struct symbol *symbol, void *context)
{
    struct names *names = context;
    if (!symbol->name || !*symbol->name)
        return true;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 4096;
        const char **larger = reallocarray(names->names, capacity, sizeof(*larger));
        if (!larger)
            return false;
        names->names = larger;
        names->capacity = capacity;
    }
    names->names[names->count++] = symbol->name;
    return true;
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static void drop_repeated(struct names *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++)
        if (!kept || strcmp(names->names[kept - 1], names->names[i]) != 0)
            names->names[kept++] = names->names[i];
    names->count = kept;
}

/* Once a session: what is loaded later is typed in full. */
static void index_symbols(struct completion *completion)
{
    if (completion->indexed || !completion->process)
        return;
    completion->indexed = true;
    CLEANUP_ERROR struct error *error = maps_read(completion->process, &completion->maps);
    if (!error)
        error = modules_create(completion->process, completion->maps, &completion->modules);
    if (error)
        return;
    for (size_t i = 0; i < completion->modules->count; i++) {
        struct module *module =
            modules_find(completion->modules, completion->modules->modules[i]->start);
        if (module)
            module_each_symbol(module, collect_name, &completion->symbols);
    }
    struct names *symbols = &completion->symbols;
    if (symbols->count)
        qsort(symbols->names, symbols->count, sizeof(*symbols->names), compare_names);
    drop_repeated(symbols);
}

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

static void add_symbols(struct completion *completion, const char *prefix,
                        struct candidates *candidates)
{
    index_symbols(completion);
    const struct names *symbols = &completion->symbols;
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(symbols->names[middle], prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t length = strlen(prefix);
    for (; low < symbols->count && strncmp(symbols->names[low], prefix, length) == 0; low++)
        add_candidate(candidates, symbols->names[low]);
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

static void add_answers(struct completion *completion, const char *line,
                        struct candidates *candidates)
{
    char *text = ask_manhole(completion->client, line);
    char *position = NULL;
    for (char *one = text ? strtok_r(text, "\n", &position) : NULL; one;
         one = strtok_r(NULL, "\n", &position))
        add_answer(candidates, line, one);
    free(text);
}

/* Is the last word the first argument of a command that takes a symbol? */
static bool wants_symbol(const char *line, size_t word_start)
{
    size_t blanks = strspn(line, " \t");
    size_t length = strcspn(line + blanks, " \t");
    const char *command = line + blanks;
    if (!((length == 3 && strncmp(command, "sym", 3) == 0) ||
          (length == 4 && strncmp(command, "call", 4) == 0)))
        return false;
    size_t argument = blanks + length + strspn(command + length, " \t");
    return word_start == argument && argument > blanks + length;
}

void completion_find(struct completion *completion, const char *line, struct candidates *ret)
{
    *ret = (struct candidates){0};
    if (!completion || !(ret->words = calloc(CANDIDATES_MAX, sizeof(*ret->words))))
        return;
    const char *word = line + strlen(line);
    while (word > line && word[-1] != ' ' && word[-1] != '\t')
        word--;
    ret->word_start = (size_t)(word - line);
    if (wants_symbol(line, ret->word_start))
        add_symbols(completion, word, ret);
    if (!ret->total)
        add_answers(completion, line, ret);
}

void candidates_deinit(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        free(candidates->words[i]);
    free(candidates->words);
    free(candidates->common);
    *candidates = (struct candidates){0};
}
