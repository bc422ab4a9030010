/*
 * declare WHAT PID [SNIPPET]: what src/crepl makes of a snippet of C for a process: its
 * declarations ("text"), "bindings", "problems" or the rewritten "snippet". "tokens" needs no
 * process: whether the snippet is complete, and its names. "type" says what the type of that text
 * is. "all" declares all structures of the program, and says on standard error what it cannot;
 * "time" says how long things take, milliseconds.
 */
#include "src/crepl/declare.h"
#include "src/crepl/tokens.h"
#include "src/crepl/type_text.h"
#include "src/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct process *process;
static struct maps *maps;
static struct modules *modules;
static struct symbols *symbols;
static struct names *names;
static struct declarer *declarer;

static void check(struct error *error)
{
    if (!error)
        return;
    fprintf(stderr, "declare: %s\n", error->message);
    exit(2);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void open_target(pid_t pid)
{
    const struct symbols_options options = {0};
    check(process_open(pid, &process));
    check(maps_read(process, &maps));
    check(modules_create(process, maps, &modules));
    check(symbols_create(modules, &options, &symbols));
    check(names_create(modules, symbols, &names));
    check(declarer_create(names, &declarer));
}

static void close_target(void)
{
    declarer_destroy(declarer);
    names_destroy(names);
    symbols_destroy(symbols);
    modules_destroy(modules);
    maps_destroy(maps);
    process_close(process);
}

static void print_bindings(const struct declarations *declarations)
{
    static const char *const kinds[] = {"address", "tls", "by-name"};
    for (size_t i = 0; i < declarations->binding_count; i++) {
        const struct binding *binding = &declarations->bindings[i];
        const char *slash = strrchr(binding->module->path, '/');
        printf("%s %s %s 0x%" PRIx64 " %s\n", binding->name,
               binding->is_function ? "function" : "object", kinds[binding->kind],
               binding->address, slash ? slash + 1 : binding->module->path);
    }
}

static void print_problems(const struct declarations *declarations, FILE *file)
{
    static const char *const kinds[] = {"note", "unknown", "refused"};
    for (size_t i = 0; i < declarations->problem_count; i++) {
        const struct problem *problem = &declarations->problems[i];
        fprintf(file, "%s %zu+%zu: %s\n", kinds[problem->kind], problem->start, problem->length,
                problem->text);
    }
}

static void declare(const char *what, const char *snippet)
{
    const struct declare_input input = {.snippet = snippet};
    struct declarations declarations;
    double start = now();
    check(declarer_declare(declarer, &input, &declarations));
    double first = now();
    if (strcmp(what, "text") == 0)
        fputs(declarations.text, stdout);
    else if (strcmp(what, "snippet") == 0)
        printf("%s\n", declarations.snippet);
    else if (strcmp(what, "bindings") == 0)
        print_bindings(&declarations);
    else if (strcmp(what, "problems") == 0)
        print_problems(&declarations, stdout);
    if (strcmp(what, "all") == 0) {
        fputs(declarations.text, stdout);
        print_problems(&declarations, stderr);
    }
    size_t size = strlen(declarations.text);
    declarations_deinit(&declarations);
    if (strcmp(what, "time") != 0)
        return;
    check(declarer_declare(declarer, &input, &declarations));
    printf("first %.1f ms, again %.1f ms, %zu bytes\n", first - start, now() - first, size);
    declarations_deinit(&declarations);
}

/* "struct a; union b; ..." of all that the program defines. */
static char *all_structures(void)
{
    char *snippet = NULL;
    size_t size, count;
    FILE *file = open_memstream(&snippet, &size);
    struct module *module;
    struct name_index *index;
    if (!file || !names_module(names, 0, &module, &index) || !index)
        exit(2);
    const struct name_entry *all = name_index_all(index, &count);
    for (size_t i = 0; i < count; i++) {
        const char *keyword = all[i].kind == NAME_STRUCT  ? "struct"
                              : all[i].kind == NAME_UNION ? "union"
                                                          : "enum";
        bool is_tag = all[i].kind == NAME_STRUCT || all[i].kind == NAME_UNION ||
                      all[i].kind == NAME_ENUM;
        /* Once, and no template. */
        if (is_tag && !all[i].declaration && !strpbrk(all[i].name, "<> ") &&
            name_index_find(index, all[i].name, NULL) == &all[i])
            fprintf(file, "%s %s;\n", keyword, all[i].name);
        else if (all[i].kind == NAME_TYPEDEF && all[i].parent == NAME_NO_PARENT &&
                 !strpbrk(all[i].name, "<> {:") && !token_is_keyword(all[i].name, strlen(all[i].name)) &&
                 name_index_find(index, all[i].name, NULL) == &all[i])
            fprintf(file, "sizeof(%s);\n", all[i].name);
    }
    fclose(file);
    return snippet;
}

static void print_tokens(const char *text)
{
    static const char *const states[] = {"complete", "in-comment", "in-brackets", "in-line",
                                         "in-statement"};
    static const char *const uses[] = {"", "ordinary", "tag", "member"};
    struct tokens tokens;
    check(tokens_read(&tokens, text, NULL, NULL));
    printf("%s\n", states[tokens.incomplete]);
    for (size_t i = 0; i < tokens.count; i++) {
        const struct token *token = &tokens.tokens[i];
        if (token->use != USE_NONE)
            printf("%s %.*s%s%s%s\n", uses[token->use], (int)token->length, text + token->start,
                   token->at_file_level ? " defined"
                   : token->declared    ? " declared"
                                        : "",
                   token->type_place ? " type" : "", token->called ? " called" : "");
        else if (token->kind == TOKEN_DOLLAR)
            printf("dollar %.*s\n", (int)token->length, text + token->start);
    }
    tokens_deinit(&tokens);
}

static void print_type(const char *text)
{
    struct type_text *type;
    if (!type_text_parse(text, declarer, &type)) {
        printf("not a type\n");
        return;
    }
    for (const struct type_text *at = type; at; at = at->target) {
        if (at->kind == TYPE_TEXT_ARRAY)
            printf("array of %" PRIu64 " ", at->count);
        else if (at->kind != TYPE_TEXT_BASE)
            printf("%s ", at->kind == TYPE_TEXT_POINTER ? "pointer to" : "function returning");
        else
            printf("%s%s\n", at->name, at->has_die ? ", known" : "");
    }
    type_text_destroy(type);
}

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    if (strcmp(words[1], "tokens") == 0) {
        print_tokens(words[2]);
        return 0;
    }
    open_target((pid_t)atoi(words[2]));
    char *snippet = strcmp(words[1], "all") == 0 ? all_structures() : strdup(count > 3 ? words[3] : "");
    declare(words[1], snippet);
    if (strcmp(words[1], "type") == 0)
        print_type(count > 4 ? words[4] : "");
    free(snippet);
    close_target();
    return 0;
}
