/* Names as they are typed, taken apart. */
#include "src/crepl/names_private.h"

#include <stdlib.h>
#include <string.h>

/* Cuts the string at the next "::"; NULL: there is none. */
static char *cut_scope(char *text)
{
    char *at = strstr(text, "::");
    if (!at)
        return NULL;
    *at = '\0';
    return at + 2;
}

bool name_query_init(struct name_query *query, const struct wanted *wanted)
{
    *query = (struct name_query){
        .tag = wanted->tag, .type_place = wanted->type_place, .any_place = wanted->any_place};
    query->copy = strndup(wanted->text, wanted->length);
    if (!query->copy)
        return false;
    char *rest = query->copy, *next;
    if (*rest == '"') {
        char *quote = strchr(rest + 1, '"');
        if (quote)
            *quote = '\0';
        query->file = rest + 1;
        rest = quote ? quote + 1 : rest + strlen(rest);
        next = cut_scope(rest);
        rest = next ? next : rest;
    }
    while ((next = cut_scope(rest))) {
        if (!query->file && !query->scope_count && strchr(rest, '.'))
            query->file = rest;
        else if (*rest && query->scope_count < SCOPES_MAX)
            query->scopes[query->scope_count++] = rest;
        rest = next;
    }
    query->name = rest;
    return true;
}

void name_query_deinit(struct name_query *query)
{
    free(query->copy);
}
