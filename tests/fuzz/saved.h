/*
 * Files of --save for fuzzers: opened as the tool does, and changed as somebody would who wants
 * them to be believed: what is packed in them is changed, then packed again, with its checksum.
 */
#ifndef TESTS_FUZZ_SAVED_H
#define TESTS_FUZZ_SAVED_H

#include "injector/snapshot_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <zlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* manhole-snapshot(5), bytes. */
#define SAVED_HEAD 32
#define SAVED_TAIL 16
#define SAVED_UNPACKED_MAX ((size_t)1 << 20)
/* Changes within so many bytes leave the sizes that stand around them true. */
#define SAVED_WINDOW 32

/* NULL: it is refused. */
static inline struct process *saved_open(const uint8_t *data, size_t size)
{
    char path[64];
    struct process *process = NULL;
    int fd = fuzz_file(data, size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    error_destroy(snapshot_file_read(path, &process));
    close(fd);
    return process;
}

/* What is packed in a file; 0: nothing. */
static inline size_t saved_unpack(const uint8_t *data, size_t size, uint8_t *ret)
{
    uLongf unpacked = SAVED_UNPACKED_MAX;
    if (size < SAVED_HEAD + SAVED_TAIL ||
        uncompress(ret, &unpacked, data + SAVED_HEAD, size - SAVED_HEAD - SAVED_TAIL) != Z_OK)
        return 0;
    return unpacked;
}

/* Behind the head that is there. The size of the file, or 0: it does not fit. */
static inline size_t saved_pack(const uint8_t *unpacked, size_t size, uint8_t *data, size_t max)
{
    if (max < SAVED_HEAD + SAVED_TAIL)
        return 0;
    uLongf packed = max - SAVED_HEAD - SAVED_TAIL;
    if (compress2(data + SAVED_HEAD, &packed, unpacked, size, Z_BEST_COMPRESSION) != Z_OK)
        return 0;
    uint64_t length = size;
    uint32_t sum =
        (uint32_t)crc32_z(crc32_z(crc32_z(0, NULL, 0), data, SAVED_HEAD), unpacked, size);
    uint8_t *tail = data + SAVED_HEAD + packed;
    memcpy(tail, &length, sizeof(length));
    memcpy(tail + 8, &sum, sizeof(sum));
    memcpy(tail + 12, "END\n", 4);
    return SAVED_HEAD + packed + SAVED_TAIL;
}

static inline size_t saved_change(uint8_t *unpacked, size_t size, unsigned seed)
{
    if (seed % 8 == 0)
        return LLVMFuzzerMutate(unpacked, size, SAVED_UNPACKED_MAX);
    for (unsigned i = 0; i <= seed / 8 % 4; i++) {
        size_t at = ((size_t)seed * 2654435761u + i * 40503u * (size_t)seed) % size;
        size_t window = size - at < SAVED_WINDOW ? size - at : 1 + (seed >> 5) % SAVED_WINDOW;
        LLVMFuzzerMutate(unpacked + at, window, window);
    }
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static uint8_t unpacked[SAVED_UNPACKED_MAX];
    size_t length = seed % 64 ? saved_unpack(data, size, unpacked) : 0;
    size_t packed =
        length ? saved_pack(unpacked, saved_change(unpacked, length, seed / 64), data, max) : 0;
    return packed ? packed : LLVMFuzzerMutate(data, size, max);
}

#endif
