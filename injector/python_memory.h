/* How the memory of an interpreter is read: live, from what was copied while threads were stopped,
   or from a recording. */
#ifndef INJECTOR_PYTHON_MEMORY_H
#define INJECTOR_PYTHON_MEMORY_H

#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python_memory {
    /* Copies `size` bytes of the target from an address on; false: not all are there. */
    bool (*read)(void *context, uint64_t address, void *buffer, size_t size);
    void *context;
    /* Set when they are not all there because they changed while they were copied; or NULL. */
    bool *changed;
    /* Where bytes are taken though they changed; NULL: there is no difference. */
    const struct python_memory *changing;
};

static inline bool python_read(const struct python_memory *memory, uint64_t address, void *buffer,
                               size_t size)
{
    return address && memory->read(memory->context, address, buffer, size);
}

/* A pointer, or another word. */
static inline bool python_read_word(const struct python_memory *memory, uint64_t address,
                                    uint64_t *ret)
{
    return python_read(memory, address, ret, sizeof(*ret));
}

/* From 3.14 on the lowest bits of references in frames say how they count (_PyStackRef,
   Include/internal/pycore_stackref.h); before they are 0. */
static inline uint64_t python_untagged(uint64_t reference)
{
    return reference & ~UINT64_C(3);
}

/*
 * Memory as it is now, by pages, each read once: what is read of it later is as old as the first
 * read of its page. A recording of the process keeps the bytes that were asked for, not the pages.
 */
struct python_live;

/* NULL without memory. */
struct python_live *python_live_create(const struct process *process);
void python_live_destroy(struct python_live *live);
struct python_memory python_live_memory(struct python_live *live);

#endif
