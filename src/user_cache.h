/*
 * What took long to make, kept for later runs: files in $XDG_CACHE_HOME/manhole-attach or
 * ~/.cache/manhole-attach, by the build-id of the module they were made for. We may be root: only a
 * directory of our own user that nobody else can write to is used, and only files in it of which
 * the same is true. A file that is broken, was made for another debug file, or by another version
 * is as if it were not there; one that cannot be written is done without, silently.
 *
 * MANHOLE_CACHE=off in the environment: none is read or written. MANHOLE_CACHE_AFTER_MS: what takes
 * at least so long to make is kept; 1000 unless set.
 */
#ifndef SRC_USER_CACHE_H
#define SRC_USER_CACHE_H

#include "injector/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Of all files together; those that were not used for the longest time go first. */
#define USER_CACHE_SIZE_MAX (UINT64_C(1) << 30)
/* Of one file. */
#define USER_CACHE_FILE_MAX (USER_CACHE_SIZE_MAX / 2)

/* What a file was made from. */
struct user_cache_key {
    uint8_t build_id[BUILD_ID_MAX];
    uint64_t build_id_size;
    uint64_t size, seconds, nanoseconds; /* of the debug file, and when it was written */
};

/* The key of a file with debug information, open as `fd`. False: nothing can be kept for it. */
bool user_cache_key(int fd, const uint8_t *build_id, size_t build_id_size,
                    struct user_cache_key *ret);

/* A kept file, mapped for reading. */
struct user_cache_file {
    const uint8_t *bytes;
    size_t size;   /* of what was saved */
    size_t mapped; /* private */
    int fd;        /* of the same bytes, with some more behind them */
};

/* `kind` is a word of at most 7 letters. False: there is none to be used; one that is broken is
   removed. */
bool user_cache_open(const struct user_cache_key *key, const char *kind,
                     struct user_cache_file *ret);
/* True where there is a file of that kind, without a look into it. */
bool user_cache_has(const struct user_cache_key *key, const char *kind);

/* Also of one that is all zeroes but for an fd of -1. */
void user_cache_close(struct user_cache_file *file);

/* Keeps these parts, one behind the other, in place of what there is of the same build-id and kind.
   Nothing where that fails. */
void user_cache_save(const struct user_cache_key *key, const char *kind, const struct iovec *parts,
                     size_t count);

/* What takes so long to make should be kept, us; UINT64_MAX: nothing. */
uint64_t user_cache_after_us(void);

#endif
