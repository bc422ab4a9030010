/*
 * The form of all fuzzers of this directory: one function that is given bytes from somebody
 * hostile, in LLVMFuzzerTestOneInput. `make fuzz` runs them; tests/fuzz/corpus/NAME holds the
 * inputs that each begins with, those that showed a defect among them.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "injector/process.h"
#include "injector/recording.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* malloc'ed, so that what is read behind the end is found; with a NUL there. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* The same without the NUL. */
static inline uint8_t *fuzz_bytes(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    return bytes;
}

/* The bytes as a file without a name, to be closed. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
        abort();
    return fd;
}

/* A target of which nothing is known but the memory that is added to its recording. */
static inline void fuzz_process_init(struct process *process)
{
    *process = (struct process){
        .pid = 1,
        .live_tid = 1,
        .namespace_pid = 1,
        .proc_fd = -1,
        .task_fd = -1,
        .pid_fd = -1,
        .is_64bit = true,
        .executable = (char *)"/fuzz",
        .recording = recording_create(),
        .saved = true,
    };
    if (!process->recording)
        abort();
}

static inline void fuzz_process_deinit(struct process *process)
{
    recording_destroy(process->recording);
}

#endif
