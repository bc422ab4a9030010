#include "payload/memory.h"

#include "payload/sys.h"

#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES (64u << 10)

static size_t round_to_pages(size_t size)
{
    return (size + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
}

void *memory_map(size_t size)
{
    long start = SYS_CALL(SYS_mmap, NULL, round_to_pages(size), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sys_is_error(start) ? NULL : (void *)start;
}

void memory_unmap(void *start, size_t size)
{
    if (start)
        SYS_CALL(SYS_munmap, start, round_to_pages(size), 0, 0, 0, 0);
}

void *memory_grow(void *start, size_t size, size_t new_size)
{
    long moved = SYS_CALL(SYS_mremap, start, round_to_pages(size), round_to_pages(new_size),
                          MREMAP_MAYMOVE, 0, 0);
    return sys_is_error(moved) ? NULL : (void *)moved;
}

bool stack_init(struct stack *stack, size_t size)
{
    *stack = (struct stack){NULL, round_to_pages(size) + MEMORY_PAGE};
    stack->start = memory_map(stack->size);
    if (!stack->start)
        return false;
    if (SYS_CALL(SYS_mprotect, stack->start, MEMORY_PAGE, PROT_NONE, 0, 0, 0) == 0)
        return true;
    stack_deinit(stack);
    return false;
}

/* Here and below: forgotten first, then unmapped. Another thread may fork at any moment, and what
   its child finds here is there, or it is not mentioned. */
void stack_deinit(struct stack *stack)
{
    struct stack gone = *stack;
    *stack = (struct stack){0};
    memory_unmap(gone.start, gone.size);
}

char *stack_bottom(const struct stack *stack)
{
    return stack->start + MEMORY_PAGE;
}

uintptr_t stack_top(const struct stack *stack)
{
    return (uintptr_t)stack->start + stack->size;
}

bool stack_holds(const struct stack *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->start && address < stack_top(stack);
}

bool stack_overflowed(const struct stack *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->start && address < (uintptr_t)stack_bottom(stack);
}

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* with this header */
};

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t whole = size + sizeof(struct arena_chunk) + 16;
    if (whole < CHUNK_BYTES)
        whole = CHUNK_BYTES;
    struct arena_chunk *chunk = memory_map(whole);
    if (!chunk)
        return NULL;
    *chunk = (struct arena_chunk){arena->chunks, whole, 32};
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = add_chunk(arena, size);
    if (!chunk)
        return NULL;
    void *piece = (char *)chunk + chunk->used;
    chunk->used += size;
    return piece;
}

void arena_deinit(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        memory_unmap(chunk, chunk->size);
    }
}

/* Where process_vm_readv is filtered away: through the kernel's file of our memory. */
static size_t read_by_file(uintptr_t address, void *to, size_t size)
{
    long fd = sys_move_high(sys_open("/proc/self/mem", O_RDONLY, 0));
    if (fd < 0)
        return 0;
    long got = SYS_CALL(SYS_pread64, fd, to, size, address, 0, 0);
    sys_close((int)fd);
    return got > 0 ? (size_t)got : 0;
}

size_t memory_read(uintptr_t address, void *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct iovec local = {(char *)to + done, size - done};
        struct iovec remote = {(void *)(address + done), size - done};
        long got = SYS_CALL(SYS_process_vm_readv, sys_getpid(), &local, 1, &remote, 1, 0);
        if (got == -ENOSYS || got == -EPERM)
            got = (long)read_by_file(address + done, (char *)to + done, size - done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

bool memory_read_string(uintptr_t address, char *to, size_t size, bool *whole)
{
    size_t done = 0;
    if (whole)
        *whole = false;
    while (done < size - 1) {
        /* Not across pages: the next one need not be there. */
        size_t piece = MEMORY_PAGE - (address + done) % MEMORY_PAGE;
        if (piece > size - 1 - done)
            piece = size - 1 - done;
        size_t got = memory_read(address + done, to + done, piece);
        const char *end = NULL;
        for (size_t i = 0; i < got && !end; i++)
            if (!to[done + i])
                end = to + done + i;
        if (end) {
            if (whole)
                *whole = true;
            return true;
        }
        done += got;
        if (got < piece)
            break;
    }
    to[done] = '\0';
    return done > 0;
}
