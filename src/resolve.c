#include "src/resolve.h"

#include "injector/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More definitions of one name than a user wants to choose from. */
#define SHOWN_MAX 4

bool resolve_is_command(const char *line, const char *command, const char **argument,
                        size_t *length)
{
    line += strspn(line, " \t");
    size_t size = strlen(command);
    if (strncmp(line, command, size) != 0 || (line[size] != ' ' && line[size] != '\t'))
        return false;
    *argument = line + size + strspn(line + size, " \t");
    *length = strcspn(*argument, " \t");
    return true;
}

static char *answer_for(const struct named_symbol *symbol)
{
    char *text = NULL;
    if (asprintf(&text, "%s = 0x%" PRIx64 ", static, of %" PRIu64 " bytes in %s\n", symbol->name,
                 symbol->address, symbol->size, symbol->module) < 0)
        return NULL;
    return text;
}

static char *choices(const struct named_symbol *symbols, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream,
            "%s: %zu static definitions; use the address of the one you mean: ", symbols[0].name,
            count);
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        fprintf(stream, "%s0x%" PRIx64 " in %s", i ? ", " : "", symbols[i].address,
                symbols[i].module);
    if (count > SHOWN_MAX)
        fprintf(stream, ", and %zu more", count - SHOWN_MAX);
    fclose(stream);
    return text;
}

/* The line with the address where the name stands. */
static char *replace_name(const char *line, const char *name, size_t length, uint64_t address)
{
    char *text = NULL;
    if (asprintf(&text, "%.*s0x%" PRIx64 "%s", (int)(name - line), line, address, name + length) <
        0)
        return NULL;
    return text;
}

enum resolve_outcome resolve_line(struct symbol_names *names, const char *line, char **text)
{
    const char *argument;
    size_t length;
    bool is_sym = resolve_is_command(line, "sym", &argument, &length);
    if (!is_sym && !resolve_is_command(line, "call", &argument, &length))
        return RESOLVE_UNKNOWN;
    CLEANUP_FREE char *name = strndup(argument, length);
    const struct named_symbol *symbols;
    size_t count = name && *name ? symbol_names_find(names, name, &symbols) : 0;
    if (!count)
        return RESOLVE_UNKNOWN;
    enum resolve_outcome outcome;
    if (count > 1) {
        *text = choices(symbols, count);
        outcome = RESOLVE_AMBIGUOUS;
    } else if (is_sym) {
        *text = answer_for(symbols);
        outcome = RESOLVE_ANSWERED;
    } else {
        *text = replace_name(line, argument, length, symbols->address);
        outcome = RESOLVE_AGAIN;
    }
    return *text ? outcome : RESOLVE_UNKNOWN;
}
