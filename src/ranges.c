#include "src/ranges.h"

#include <stdlib.h>

bool ranges_add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value)
{
    if (ranges->count == ranges->capacity) {
        size_t capacity = ranges->capacity ? ranges->capacity * 2 : 64;
        struct range *larger = reallocarray(ranges->ranges, capacity, sizeof(*larger));
        if (!larger)
            return false;
        ranges->ranges = larger;
        ranges->capacity = capacity;
    }
    ranges->ranges[ranges->count++] = (struct range){start, end, value, 0};
    return true;
}

/* By start; of equals the smaller one last, where the search begins. */
static int compare(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->end > b->end ? -1 : a->end < b->end;
}

void ranges_sort(struct ranges *ranges)
{
    uint64_t reach = 0;
    if (ranges->count)
        qsort(ranges->ranges, ranges->count, sizeof(*ranges->ranges), compare);
    for (size_t i = 0; i < ranges->count; i++) {
        if (ranges->ranges[i].end > reach)
            reach = ranges->ranges[i].end;
        ranges->ranges[i].reach = reach;
    }
}

const struct range *ranges_find(const struct ranges *ranges, uint64_t address)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->ranges[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i-- > 0 && ranges->ranges[i].reach > address;)
        if (address < ranges->ranges[i].end)
            return &ranges->ranges[i];
    return NULL;
}

void ranges_deinit(struct ranges *ranges)
{
    free(ranges->ranges);
    *ranges = (struct ranges){0};
}
