/*
 * Memory of our own, straight from mmap: nothing is shared with the program's allocator. And safe
 * looks at the program's memory: they fail, they never fault.
 */
#ifndef PAYLOAD_MEMORY_H
#define PAYLOAD_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_PAGE 4096

/* Zeroed pages, or NULL. Sizes are in bytes, rounded up to pages. */
void *memory_map(size_t size);
void memory_unmap(void *start, size_t size);
/* Makes a mapping larger; it may move. NULL: it stays as it was. */
void *memory_grow(void *start, size_t size, size_t new_size);

/* Memory with a page below it that nobody may touch, so that an overflow faults. */
struct stack {
    char *start; /* of the guard page */
    size_t size; /* with it */
};

bool stack_init(struct stack *stack, size_t size);
void stack_deinit(struct stack *stack);
/* The usable part. */
char *stack_bottom(const struct stack *stack);
uintptr_t stack_top(const struct stack *stack);
bool stack_holds(const struct stack *stack, uintptr_t address);
/* True for an address inside the guard page. */
bool stack_overflowed(const struct stack *stack, uintptr_t address);

/* Pieces that live until the arena ends. All zero is an empty arena. */
struct arena {
    struct arena_chunk *chunks;
};

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, 16-aligned, or NULL */
void arena_deinit(struct arena *arena);

/* Copies bytes of this process; returns how many could be read, from the start on. */
size_t memory_read(uintptr_t address, void *to, size_t size);
/* Copies a string of this process, cut at size - 1; false when not even its start can be read.
 *whole (may be NULL): it was read up to its NUL. */
bool memory_read_string(uintptr_t address, char *to, size_t size, bool *whole);

#endif
