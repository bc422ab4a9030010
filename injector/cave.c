#include "injector/cave.h"

#include "injector/cleanup.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#define PAGE_BYTES 4096 /* of a file mapping; where pages are larger a tail is only longer */
#define ALIGNMENT 16
#define TAILS_MAX 256

/* --- Finding. --- */

/* The end of the segment that is mapped here, from the program headers in memory; 0: unknown. */
static uint64_t segment_end(const struct process *process, const struct loaded *object,
                            const struct mapping *mapping)
{
    Elf64_Ehdr header;
    if (remote_read(process, object->start, &header, sizeof(header)) != sizeof(header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG))
        return 0;
    for (unsigned i = 0; i < header.e_phnum && i < 256; i++) {
        Elf64_Phdr segment;
        uint64_t address = object->start + header.e_phoff + i * sizeof(segment);
        if (remote_read(process, address, &segment, sizeof(segment)) != sizeof(segment))
            return 0;
        uint64_t start = object->bias + segment.p_vaddr, end = start + segment.p_filesz;
        if (segment.p_type == PT_LOAD && segment.p_flags & PF_X && start < mapping->end &&
            end > mapping->start && segment.p_filesz == segment.p_memsz)
            return end;
    }
    return 0;
}

/* What lies behind the segment in the last page of its mapping, copied into `bytes` (PAGE_BYTES);
   size 0: nothing that could be used. */
static struct cave read_tail(const struct process *process, const struct linkmap *linkmap,
                             const struct mapping *mapping, uint8_t *bytes)
{
    struct cave none = {0};
    const struct loaded *object = linkmap_find(linkmap, mapping->start);
    if (!object || object >= linkmap->objects + linkmap->permanent || !mapping->executable ||
        mapping->writable || mapping->shared || !mapping->inode)
        return none;
    uint64_t start = segment_end(process, object, mapping), page = mapping->end - PAGE_BYTES;
    start = (start + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (start <= page || start >= mapping->end)
        return none;
    struct cave tail = {start, mapping->end - start};
    return remote_read(process, start, bytes, tail.size) == tail.size ? tail : none;
}

void cave_each_tail(const struct process *process, const struct maps *maps,
                    const struct linkmap *linkmap,
                    void (*visit)(const struct cave *tail, const uint8_t *bytes, void *context),
                    void *context)
{
    uint8_t bytes[PAGE_BYTES];
    for (size_t i = 0; i < maps->count; i++) {
        struct cave tail = read_tail(process, linkmap, &maps->mappings[i], bytes);
        if (tail.size)
            visit(&tail, bytes, context);
    }
}

struct tail_list {
    struct cave tails[TAILS_MAX];
    size_t count;
};

/* Keeps the part of a tail that is all zero. */
static void keep_zeros(const struct cave *tail, const uint8_t *bytes, void *context)
{
    struct tail_list *list = context;
    size_t used = tail->size;
    while (used && !bytes[used - 1])
        used--;
    /* One more, since what was left there may end in a zero. */
    used = used ? (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : 0;
    if (used < tail->size && list->count < TAILS_MAX)
        list->tails[list->count++] = (struct cave){tail->address + used, tail->size - used};
}

static int larger_first(const void *a, const void *b)
{
    size_t x = ((const struct cave *)a)->size, y = ((const struct cave *)b)->size;
    return (x < y) - (x > y);
}

/* Takes `size` bytes from the front of a tail that has them. */
static bool take(struct cave *tails, size_t count, size_t size, struct cave *ret)
{
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (size_t i = 0; i < count; i++)
        if (tails[i].size >= size) {
            *ret = (struct cave){tails[i].address, size};
            tails[i].address += size;
            tails[i].size -= size;
            return true;
        }
    return false;
}

struct error *cave_find(const struct process *process, const struct maps *maps,
                        const struct linkmap *linkmap, const size_t *sizes, size_t count,
                        struct cave *ret)
{
    struct tail_list list = {.count = 0};
    cave_each_tail(process, maps, linkmap, keep_zeros, &list);
    qsort(list.tails, list.count, sizeof(list.tails[0]), larger_first);
    for (size_t i = 0; i < count; i++)
        if (!take(list.tails, list.count, sizes[i], &ret[i]))
            return error_create(ERROR_UNSUPPORTED, 0,
                                "process %d (%s) has no room for the code of a loan: the text "
                                "segments of its %zu libraries end without %zu unused bytes",
                                process->pid, process->name, linkmap->count, sizes[i]);
    return NULL;
}

/* --- Writing. --- */

/* Word by word, the rest of the last word unchanged. */
static bool poke(const struct process *process, pid_t tid, uint64_t address, const uint8_t *bytes,
                 size_t size)
{
    while (size) {
        uint64_t word, aligned = address & ~(uint64_t)7;
        size_t skip = address - aligned,
               n = sizeof(word) - skip < size ? sizeof(word) - skip : size;
        if (remote_read(process, aligned, &word, sizeof(word)) != sizeof(word))
            return false;
        memcpy((uint8_t *)&word + skip, bytes, n);
        if (ptrace(PTRACE_POKEDATA, tid, (void *)(uintptr_t)aligned, (void *)(uintptr_t)word))
            return false;
        address += n;
        bytes += n;
        size -= n;
    }
    return true;
}

struct error *remote_write(const struct process *process, pid_t tid, uint64_t address,
                           const void *bytes, size_t size)
{
    CLEANUP_CLOSE int fd = process_open_file(process, tid, "mem", O_RDWR);
    /* Asked after it was opened: from here on nothing is written to another program. */
    struct error *ended = process_check_alive(process);
    if (ended)
        return ended;
    size_t done = 0;
    while (fd >= 0 && done < size) {
        ssize_t n = pwrite(fd, (const uint8_t *)bytes + done, size - done, (off_t)(address + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == size ||
        poke(process, tid, address + done, (const uint8_t *)bytes + done, size - done))
        return NULL;
    int errnum = errno;
    ended = process_check_alive(process);
    if (ended)
        return ended;
    return error_create(ERROR_NOT_PERMITTED, errnum,
                        "the memory of process %d (%s) cannot be written: %s; a security module or "
                        "the boot parameter proc_mem.force_override forbids it",
                        process->pid, process->name, strerror(errnum));
}

struct error *cave_restore(const struct process *process, pid_t tid, const struct cave *cave)
{
    static const uint8_t zeros[PAGE_BYTES];
    return remote_write(process, tid, cave->address, zeros, cave->size);
}
