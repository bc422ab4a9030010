/* Address ranges with a value each, sorted; of several that cover an address the innermost wins. */
#ifndef SRC_RANGES_H
#define SRC_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t start, end; /* [start, end) */
    uint64_t value;
    uint64_t reach; /* the highest end of this and all ranges before it */
};

struct ranges {
    struct range *ranges;
    size_t count, capacity;
};

/* False without memory. */
bool ranges_add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value);

/* Before ranges_find, after the last ranges_add. */
void ranges_sort(struct ranges *ranges);

/* The range with the highest start that covers the address, the smallest of equals; NULL: none. */
const struct range *ranges_find(const struct ranges *ranges, uint64_t address);

void ranges_deinit(struct ranges *ranges);

#endif
