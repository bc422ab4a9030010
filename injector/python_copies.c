#include "injector/python_copies.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096

/* Room for pages; what is not used is only an address. */
#define PAGES_MAX 16384
/* Of one thread: 256 frames of different functions take some 300. */
#define THREAD_PAGES_MAX 4096

/* More than its frames may take this much of a thread's pages, and of all. */
#define MORE_PAGES_MAX 1024
#define MORE_PAGES_OF_ALL (PAGES_MAX / 2)
/* And this part of the time that is left: one in so many. */
#define MORE_TIME_PART 4

/* Pages of these threads are there before anything is stopped: no page fault of ours meanwhile. */
#define PAGES_EXPECTED 48
#define THREADS_AT_LEAST 4

#define VISITS_MAX 65536

/* One thread that was copied. */
struct visit {
    pid_t tid;
    uint32_t first, count; /* its pages */
    bool twice;            /* they were all copied again */
};

/* Shared with the helper process. */
struct arena {
    uint32_t visit_count, page_count;
    struct visit visits[VISITS_MAX];
    /* Of each page; apart from the bytes, to be searched fast. */
    uint64_t addresses[PAGES_MAX];
    uint32_t sizes[PAGES_MAX]; /* what was readable of it */
    uint8_t pages[PAGES_MAX][PAGE_BYTES];
    /* The same once more, after all were copied: what threads that run have changed meanwhile is
       not the same. Only of visits that are `twice`. */
    uint8_t again[PAGES_MAX][PAGE_BYTES];
};

#define NO_PAGE UINT32_MAX

struct python_copies {
    const struct python *python;
    const struct python_threads *threads;
    size_t max_frames, expected;
    python_copies_touch *more;
    struct arena *arena;
    /* Afterwards: of whom is read. */
    const struct process *process;
    const struct visit *visit;
    bool changed; /* what was read last was not the same in both copies */
};

struct error *python_copies_create(const struct python *python,
                                   const struct python_threads *threads, size_t expected,
                                   size_t max_frames, python_copies_touch *more,
                                   struct python_copies **ret)
{
    struct python_copies *copies = calloc(1, sizeof(*copies));
    if (!copies)
        return error_no_memory();
    *copies = (struct python_copies){
        .python = python,
        .threads = threads,
        .max_frames = max_frames,
        .expected = expected,
        .more = more,
        .arena = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
    };
    if (copies->arena == MAP_FAILED) {
        free(copies);
        return error_no_memory();
    }
    *ret = copies;
    return NULL;
}

void python_copies_destroy(struct python_copies *copies)
{
    if (!copies)
        return;
    munmap(copies->arena, sizeof(struct arena));
    free(copies);
}

/* --- In the helper: allocates nothing. --- */

void python_copies_prepare(void *context)
{
    struct python_copies *copies = context;
    struct arena *arena = copies->arena;
    size_t threads = copies->expected > THREADS_AT_LEAST ? copies->expected : THREADS_AT_LEAST;
    size_t first = arena->page_count, end = first + threads * PAGES_EXPECTED;
    arena->visits[arena->visit_count % VISITS_MAX].tid = 0;
    for (size_t i = first; i < end && i < PAGES_MAX; i++)
        arena->addresses[i] = arena->sizes[i] = arena->pages[i][0] = 0;
    for (size_t i = first; copies->more && i < end && i < PAGES_MAX; i++)
        arena->again[i][0] = 0;
}

struct taking {
    struct arena *arena;
    struct visit *visit;
    const struct process *process;
    deadline_t deadline;
    uint32_t pages_end; /* how many pages there may be in the end, of all threads */
};

static uint32_t find_page(const struct arena *arena, const struct visit *visit, uint64_t address)
{
    for (uint32_t i = visit->first + visit->count; i-- > visit->first;) {
        if (arena->addresses[i] == address)
            return i;
    }
    return NO_PAGE;
}

/* NO_PAGE: there is no room for another one. */
static uint32_t copy_page(struct taking *taking, uint64_t address)
{
    struct arena *arena = taking->arena;
    uint32_t page = arena->page_count;
    if (page >= taking->pages_end || taking->visit->count == THREAD_PAGES_MAX)
        return NO_PAGE;
    arena->addresses[page] = address;
    arena->sizes[page] =
        (uint32_t)remote_peek(taking->process, address, arena->pages[page], PAGE_BYTES);
    arena->page_count++;
    taking->visit->count++;
    return page;
}

static bool copy_from(const struct arena *arena, uint32_t page, size_t offset, uint8_t *buffer,
                      size_t size)
{
    if (page == NO_PAGE || arena->sizes[page] < offset + size)
        return false;
    memcpy(buffer, arena->pages[page] + offset, size);
    return true;
}

/* The part of a range that lies in the page of its beginning. */
static size_t part_in_page(uint64_t address, size_t size)
{
    size_t part = PAGE_BYTES - address % PAGE_BYTES;
    return part < size ? part : size;
}

static bool read_taking(void *context, uint64_t address, void *buffer, size_t size)
{
    struct taking *taking = context;
    uint8_t *to = buffer;
    while (size) {
        size_t part = part_in_page(address, size);
        uint64_t start = address - address % PAGE_BYTES;
        if (deadline_passed(taking->deadline))
            return false;
        uint32_t page = find_page(taking->arena, taking->visit, start);
        if (page == NO_PAGE)
            page = copy_page(taking, start);
        if (!copy_from(taking->arena, page, address - start, to, part))
            return false;
        address += part;
        to += part;
        size -= part;
    }
    return true;
}

/* What is more than the frames of this thread leaves time and room for the frames of others. */
static void limit_more(struct taking *taking)
{
    uint32_t end = taking->arena->page_count + MORE_PAGES_MAX;
    taking->pages_end = end < MORE_PAGES_OF_ALL ? end : MORE_PAGES_OF_ALL;
    taking->deadline = deadline_after_us(deadline_left_us(taking->deadline) / MORE_TIME_PART);
}

/* Other threads may run, and change what this one only refers to. */
static void copy_again(const struct taking *taking)
{
    struct visit *visit = taking->visit;
    for (uint32_t i = visit->first; i < visit->first + visit->count; i++) {
        struct arena *arena = taking->arena;
        if (remote_peek(taking->process, arena->addresses[i], arena->again[i], arena->sizes[i]) <
            arena->sizes[i])
            return;
    }
    visit->twice = true;
}

static void take_more(const struct python_copies *copies, struct taking *taking,
                      const struct python_thread *threads, size_t count)
{
    const struct python_memory memory = {.read = read_taking, .context = taking};
    limit_more(taking);
    for (size_t i = 0; i < count; i++)
        copies->more(copies->python, &memory, threads[i].address, copies->max_frames);
    copy_again(taking);
}

void python_copies_take(void *context, const struct process *process, pid_t tid,
                        deadline_t deadline)
{
    struct python_copies *copies = context;
    struct arena *arena = copies->arena;
    size_t count;
    const struct python_thread *first = python_thread_find(copies->threads, tid, &count);
    if (!first || arena->visit_count == VISITS_MAX)
        return;
    struct visit *visit = &arena->visits[arena->visit_count];
    *visit = (struct visit){.tid = tid, .first = arena->page_count};
    struct taking taking = {arena, visit, process, deadline, PAGES_MAX};
    const struct python_memory memory = {.read = read_taking, .context = &taking};
    for (size_t i = 0; i < count; i++)
        python_stack_touch(copies->python, &memory, first[i].address, copies->max_frames);
    if (copies->more)
        take_more(copies, &taking, first, count);
    arena->visit_count++; /* at last: a helper that is killed before leaves nothing half done */
}

/* --- Afterwards. --- */

/* True where both copies are the same. */
static bool is_unchanged(const struct python_copies *copies, uint32_t page, size_t offset,
                         size_t size)
{
    const struct arena *arena = copies->arena;
    return !copies->visit->twice ||
           !memcmp(arena->pages[page] + offset, arena->again[page] + offset, size);
}

static bool read_copy(struct python_copies *copies, uint64_t address, void *buffer, size_t size,
                      bool only_unchanged)
{
    uint8_t *to = buffer;
    for (size_t done = 0, part; done < size; done += part) {
        uint64_t at = address + done, start = at - at % PAGE_BYTES;
        part = part_in_page(at, size - done);
        uint32_t page = find_page(copies->arena, copies->visit, start);
        if (!copy_from(copies->arena, page, at - start, to + done, part))
            return false;
        if (only_unchanged && !is_unchanged(copies, page, at - start, part)) {
            copies->changed = true;
            return false;
        }
    }
    remote_keep(copies->process, address, buffer, size);
    return true;
}

static bool read_copied(void *context, uint64_t address, void *buffer, size_t size)
{
    return read_copy(context, address, buffer, size, false);
}

static bool read_unchanged(void *context, uint64_t address, void *buffer, size_t size)
{
    return read_copy(context, address, buffer, size, true);
}

bool python_copies_memory(struct python_copies *copies, const struct process *process, pid_t tid,
                          struct python_memory *frames, struct python_memory *more)
{
    const struct arena *arena = copies->arena;
    for (uint32_t i = arena->visit_count; i-- > 0;) {
        if (arena->visits[i].tid != tid)
            continue;
        copies->process = process;
        copies->visit = &arena->visits[i];
        copies->changed = false;
        *frames = (struct python_memory){.read = read_copied, .context = copies};
        *more = (struct python_memory){
            .read = read_unchanged,
            .context = copies,
            .changed = &copies->changed,
            .changing = frames,
        };
        return true;
    }
    return false;
}
