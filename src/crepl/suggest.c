/* Names that look like one that does not exist. */
#include "src/crepl/names.h"

#include <stdio.h>
#include <string.h>

#define SUGGESTED_MAX 3
#define LENGTH_MAX 63
/* Names that are looked at in less than half a second; of more there is one near to any. */
#define NAMES_MAX 1000000

struct suggestion {
    const char *name;
    unsigned distance;
};

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters to change, add, drop or swap with the next (optimal string alignment). */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LENGTH_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned same = a[i - 1] != b[j - 1];
            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *next = before;
        before = last;
        last = row;
        row = next;
    }
    return last[b_length];
}

/* Keeps the nearest, each name once. */
static void consider(struct suggestion *best, const char *name, unsigned new_distance)
{
    for (size_t i = 0; i < SUGGESTED_MAX; i++) {
        if (best[i].name && strcmp(best[i].name, name) == 0)
            return;
    }
    for (size_t i = 0; i < SUGGESTED_MAX; i++) {
        if (best[i].name && best[i].distance <= new_distance)
            continue;
        memmove(&best[i + 1], &best[i], (SUGGESTED_MAX - 1 - i) * sizeof(*best));
        best[i] = (struct suggestion){name, new_distance};
        return;
    }
}

bool names_suggest(struct names *names, const char *name, char *buffer, size_t size)
{
    struct suggestion best[SUGGESTED_MAX] = {0};
    struct module *module;
    struct name_index *index = NULL;
    size_t length = strlen(name), count, used = 0;
    unsigned allowed = length < 4 ? 1 : length < 8 ? 2 : 3;
    if (length > LENGTH_MAX)
        return false;
    /* Of the program alone, or what stands for it: all libraries together have a name near to any.
     */
    for (size_t at = 0; !index; at++) {
        if (!names_module(names, at, &module, &index))
            return false;
    }
    const struct name_entry *all = name_index_all(index, &count);
    if (count > NAMES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *like = name_index_name(index, &all[i]);
        size_t other = strlen(like);
        if (other > LENGTH_MAX || other + allowed < length || length + allowed < other)
            continue;
        unsigned far = distance(name, length, like, other);
        if (far && far <= allowed && far < length)
            consider(best, like, far);
    }
    buffer[0] = '\0';
    for (size_t i = 0; i < SUGGESTED_MAX && best[i].name && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", best[i].name);
    return buffer[0] != '\0';
}
