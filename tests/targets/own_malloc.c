// BUILD: -rdynamic -Wl,--hash-style=sysv
// A program that brings its own malloc, and waits for a mutex. Awkward: a lock of that allocator
// looks like any other to who waits for it, so a thread that waits for a lock proves nothing; and
// that malloc is the program's is to be found by DT_HASH alone, since there is no DT_GNU_HASH.
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static _Alignas(16) char heap[1 << 20];
static size_t used;

void *malloc(size_t size)
{
    size_t start = __atomic_fetch_add(&used, (size + 31) & ~(size_t)15, __ATOMIC_SEQ_CST);
    if (start > sizeof(heap) || size > sizeof(heap) - start - 16)
        return NULL;
    memcpy(heap + start, &size, sizeof(size));
    return heap + start + 16;
}

void free(void *block)
{
    (void)block;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* never used before, hence zero */
}

void *realloc(void *block, size_t size)
{
    size_t before = 0;
    void *larger = malloc(size);
    if (block)
        memcpy(&before, (char *)block - 16, sizeof(before));
    if (larger && block)
        memcpy(larger, block, before < size ? before : size);
    return larger;
}

int main(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    puts("ready");
    fflush(stdout);
    pthread_mutex_lock(&mutex);
    return 1;
}
