/* The part of process.h that reads target memory. */
#include "injector/process_private.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE_BYTES 4096 /* the smallest unit that is readable or not; a larger page is many */

/* Fewer than IOV_MAX, so that the arrays fit well on a stack. */
#define RANGES_PER_CALL 256

/* For where process_vm_readv(2) is refused to us (seccomp) or missing, but /proc/PID/mem is not. */
static void read_through_mem_file(const struct process *process, struct remote_range *ranges,
                                  size_t count)
{
    CLEANUP_CLOSE int fd = process_open_file(process, 0, "mem", O_RDONLY);
    if (fd < 0)
        return;
    for (size_t i = 0; i < count; i++)
        while (ranges[i].got < ranges[i].size) {
            ssize_t n =
                pread(fd, (char *)ranges[i].buffer + ranges[i].got, ranges[i].size - ranges[i].got,
                      (off_t)(ranges[i].address + ranges[i].got));
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            ranges[i].got += (size_t)n;
        }
}

/* One process_vm_readv(2) for up to RANGES_PER_CALL ranges. Returns bytes copied, or -1. */
static ssize_t read_vector(pid_t tid, const struct remote_range *ranges, size_t count)
{
    struct iovec local[RANGES_PER_CALL], remote[RANGES_PER_CALL];
    for (size_t i = 0; i < count; i++) {
        local[i] = (struct iovec){ranges[i].buffer, ranges[i].size};
        remote[i] = (struct iovec){(void *)(uintptr_t)ranges[i].address, ranges[i].size};
    }
    return process_vm_readv(tid, local, count, remote, count, 0);
}

/*
 * Credits `copied` bytes to the ranges in order. The kernel stops at the first unreadable page
 * (mm/process_vm_access.c): the range where that was keeps what it got. Returns how many ranges are
 * done with.
 */
static size_t credit(struct remote_range *ranges, size_t count, size_t copied)
{
    for (size_t i = 0; i < count; i++) {
        ranges[i].got = copied < ranges[i].size ? copied : ranges[i].size;
        copied -= ranges[i].got;
        if (ranges[i].got < ranges[i].size)
            return i + 1;
    }
    return count;
}

void live_read_ranges(const struct process *process, struct remote_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ranges[i].got = 0;

    bool looked_again = false;
    while (count) {
        size_t batch = count < RANGES_PER_CALL ? count : RANGES_PER_CALL;
        ssize_t copied = read_vector(process->live_tid, ranges, batch);
        if (copied < 0 && errno == ESRCH && !looked_again && process_alive(process)) {
            looked_again = true; /* live_tid had ended; now it is another thread */
            continue;
        }
        if (copied < 0 && (errno == EPERM || errno == ENOSYS)) {
            read_through_mem_file(process, ranges, count);
            return;
        }
        if (copied < 0 && errno != EFAULT)
            return;
        size_t done = credit(ranges, batch, copied < 0 ? 0 : (size_t)copied);
        ranges += done;
        count -= done;
    }
}

bool remote_read_string(const struct process *process, uint64_t address, char *buffer, size_t size)
{
    /* Page by page: most strings are short, and what lies behind one may not be readable. */
    for (size_t length = 0; length < size;) {
        size_t chunk = PAGE_BYTES - (address + length) % PAGE_BYTES;
        if (chunk > size - length)
            chunk = size - length;
        size_t got = process->saved
                         ? remote_read(process, address + length, buffer + length, chunk)
                         : remote_peek(process, address + length, buffer + length, chunk);
        const char *end = memchr(buffer + length, '\0', got);
        /* Nobody asked for what lies behind the string. */
        if (end)
            got = (size_t)(end - (buffer + length)) + 1;
        keep_memory_answer(process, address + length, chunk, buffer + length, got);
        if (end)
            return true;
        length += got;
        if (got < chunk)
            return false;
    }
    return false;
}
