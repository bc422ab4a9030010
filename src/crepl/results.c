#include "src/crepl/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room that is taken at a time, at least. */
#define ROOM_BYTES (UINT64_C(256) << 10)

void results_deinit(struct results *results)
{
    for (size_t i = 0; i < results->count; i++)
        free(results->results[i].type);
    free(results->results);
    *results = (struct results){0};
}

struct error *results_reserve(struct results *results, struct loader *loader, uint64_t size,
                              uint64_t *address, struct session_answer *ret)
{
    *ret = (struct session_answer){0};
    size = (size + 15) / 16 * 16;
    if (size > results->end - results->next) {
        uint64_t room = size > ROOM_BYTES ? size : ROOM_BYTES;
        struct error *error = loader_reserve(loader, room, &results->next, ret);
        if (error || ret->outcome != MANHOLE_DONE) {
            results->next = results->end = 0;
            return error;
        }
        results->end = results->next + room;
    }
    *address = results->next;
    results->next += size;
    return NULL;
}

size_t results_add(struct results *results, const char *type, uint64_t address)
{
    struct result *larger =
        reallocarray(results->results, results->count + 1, sizeof(*results->results));
    char *copy = strdup(type);
    if (larger)
        results->results = larger;
    if (!larger || !copy) {
        free(copy);
        return 0;
    }
    struct result *result = &larger[results->count++];
    *result = (struct result){.type = copy, .address = address};
    snprintf(result->name, sizeof(result->name), "$%zu", results->count);
    return results->count;
}

/* "struct item *" has the word "item". */
static bool has_word(const char *text, const char *word, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    while (*text) {
        size_t here = strspn(text, letters);
        if (here == length && memcmp(text, word, length) == 0)
            return true;
        text += here ? here : 1;
    }
    return false;
}

void results_forget_type(struct results *results, const char *tag, size_t length)
{
    for (size_t i = 0; i < results->count; i++)
        results->results[i].stale |= has_word(results->results[i].type, tag, length);
}

/* NULL: there is none, or no more. */
static const struct result *result_at(const struct results *results, size_t index)
{
    return index < results->count && !results->results[index].stale ? &results->results[index]
                                                                    : NULL;
}

const struct result *results_find(const struct results *results, const char *name, size_t length)
{
    if (length == 1 && *name == '_')
        return result_at(results, results->count - 1);
    if (length < 2 || length > 9 || *name != '$')
        return NULL;
    size_t number = 0;
    for (size_t i = 1; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        number = number * 10 + (size_t)(name[i] - '0');
    }
    return result_at(results, number - 1);
}
