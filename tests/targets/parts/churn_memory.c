/* Part of churn.c: memory that is allocated, resized and freed by every way there is, often by
 * another thread. */
#include "tests/targets/parts/churn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i += i < 64 || i + 64 > size ? 1 : 61)
        if (block->bytes[i] != block->tag) {
            churn_bad("memory", (long)i);
            return;
        }
}

static void fill(struct block *block, size_t size)
{
    block->size = size;
    block->tag = (unsigned char)churn_random(256);
    if (block->bytes)
        memset(block->bytes, block->tag, size);
    else
        churn_bad("no memory", (long)size);
}

static void allocate_zeros(struct block *block, size_t size)
{
    block->bytes = calloc(1, size);
    for (size_t i = 0; block->bytes && i < size; i++)
        if (block->bytes[i])
            churn_bad("calloc", (long)i);
    fill(block, size);
}

static void resize(struct block *block, size_t size)
{
    block->bytes = realloc(block->bytes, size);
    if (block->bytes)
        check(block, size < block->size ? size : block->size);
    fill(block, size);
}

static void release(struct block *block)
{
    if (block->bytes)
        check(block, block->size);
    free(block->bytes);
    block->bytes = NULL;
}

static void change(struct block *block)
{
    /* Small ones mostly; some that the C library maps by themselves. */
    size_t size = 1 + churn_random(churn_random(64) ? 2000 : 300000);
    if (block->bytes && churn_random(2)) {
        resize(block, size);
        return;
    }
    release(block);
    switch (churn_random(4)) {
    case 0:
        allocate_zeros(block, size);
        return;
    case 1:
        if (posix_memalign((void **)&block->bytes, 64, size))
            block->bytes = NULL;
        break;
    default:
        block->bytes = malloc(size);
    }
    fill(block, size);
}

void churn_memory(void)
{
    for (unsigned i = 0; i < 400; i++)
        change(&self->blocks[churn_random(BLOCKS)]);
    if (errno != PRECIOUS)
        churn_bad("errno of malloc", errno);
}

void churn_free_all(void)
{
    for (int i = 0; i < BLOCKS; i++)
        release(&self->blocks[i]);
}
