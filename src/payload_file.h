/*
 * The payload as a file of ours: found, read into memory and checked before any target is touched.
 */
#ifndef SRC_PAYLOAD_FILE_H
#define SRC_PAYLOAD_FILE_H

#include "injector/error.h"

#include <stddef.h>

#define PAYLOAD_SONAME "libmanhole.so"

struct payload_file {
    char *path;
    void *image; /* a copy of its segments, so that an upgrade of the file meanwhile cannot hurt */
    size_t size; /* bytes */
};

/*
 * Reads libmanhole.so: the one next to our own binary (a build directory), else the one in
 * MANHOLE_LIBDIR. ERROR_PARTIAL when it is missing, unreadable, or no shared object for this
 * machine.
 */
struct error *payload_file_init(struct payload_file *ret) MUST_CHECK;
void payload_file_deinit(struct payload_file *file);
#define CLEANUP_PAYLOAD_FILE __attribute__((cleanup(payload_file_deinit)))

#endif
