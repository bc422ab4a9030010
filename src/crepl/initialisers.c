#include "src/crepl/initialisers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One text, read from its start to its end. */
struct split {
    struct tokens tokens;
    struct initialisers *ret;
    FILE *out;      /* the statements */
    size_t written; /* bytes of the text up to here have their lines in the statements */
};

#define NO_TOKEN SIZE_MAX

static bool is_at(const struct split *split, size_t at, const char *text)
{
    return at < split->tokens.count && token_is(&split->tokens, &split->tokens.tokens[at], text);
}

void initialisers_deinit(struct initialisers *initialisers)
{
    free(initialisers->definitions);
    free(initialisers->statements);
    free(initialisers->unsized);
    *initialisers = (struct initialisers){0};
}

/* As many newlines as the text has up to there. */
static void keep_lines(struct split *split, size_t end)
{
    for (; split->written < end; split->written++)
        if (split->tokens.text[split->written] == '\n')
            fputc('\n', split->out);
}

static void blank(char *text, size_t start, size_t end)
{
    for (; start < end; start++)
        if (text[start] != '\n')
            text[start] = ' ';
}

/* By way of a member, so that arrays are initialised and not assigned, and byte by byte, so that
   constants are set too. */
static void move_value(struct split *split, size_t name, size_t equals, size_t end)
{
    const struct token *all = split->tokens.tokens;
    const char *text = split->tokens.text;
    size_t start = all[equals].start + all[equals].length;
    size_t stop = all[end - 1].start + all[end - 1].length;
    int length = (int)all[name].length;
    const char *called = text + all[name].start;
    keep_lines(split, start);
    fprintf(split->out,
            "{ struct { __typeof__(%.*s) value; } __manhole_set = {%.*s}; "
            "for (unsigned long __manhole_at = 0; __manhole_at < sizeof(%.*s); __manhole_at++) "
            "((char *)&%.*s)[__manhole_at] = ((char *)&__manhole_set)[__manhole_at]; }",
            length, called, (int)(stop - start), text + start, length, called, length, called);
    split->written = stop;
    blank(split->ret->definitions, all[equals].start, stop);
    if (is_at(split, name + 1, "[") && is_at(split, name + 2, "]") && !split->ret->unsized)
        split->ret->unsized = strndup(called, all[name].length);
}

/* One declarator after the other; an item begins behind a semicolon or the body of a function. */
static void split_all(struct split *split)
{
    size_t first = 0, name = NO_TOKEN, equals = NO_TOKEN;
    int depth = 0;
    for (size_t i = 0; i < split->tokens.count; i++) {
        const struct token *token = &split->tokens.tokens[i];
        depth += token_depth_change(&split->tokens, token);
        /* What begins with the name assigns to it. */
        if (token->at_file_level && token->use == USE_ORDINARY && name == NO_TOKEN && i > first)
            name = i;
        if (depth)
            continue;
        bool separates = is_at(split, i, ";") || is_at(split, i, ",");
        if (is_at(split, i, "=") && name != NO_TOKEN && equals == NO_TOKEN)
            equals = i;
        else if (separates && equals != NO_TOKEN && i > equals + 1)
            move_value(split, name, equals, i);
        if (separates || (is_at(split, i, "}") && equals == NO_TOKEN)) {
            name = equals = NO_TOKEN;
            first = is_at(split, i, ",") ? first : i + 1;
        }
    }
}

struct error *initialisers_split(const char *text, const struct type_names *types,
                                 struct initialisers *ret)
{
    *ret = (struct initialisers){.definitions = strdup(text)};
    struct split split = {.ret = ret};
    struct error *error = ret->definitions
                              ? tokens_read(&split.tokens, text, types->is_type, types->context)
                              : error_no_memory();
    size_t size;
    if (!error)
        split.out = open_memstream(&ret->statements, &size);
    if (!error && !split.out)
        error = error_no_memory();
    if (split.out) {
        split_all(&split);
        if (fclose(split.out) != 0 && !error)
            error = error_no_memory();
    }
    tokens_deinit(&split.tokens);
    if (!error && !size) {
        free(ret->statements);
        ret->statements = NULL;
    }
    if (error)
        initialisers_deinit(ret);
    return error;
}
