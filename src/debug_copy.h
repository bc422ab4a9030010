/*
 * Debug information that was decompressed once, kept (src/user_cache.h) so that it can be read in
 * place: most of what debug information is asked for is in a few pages of it, while libdw
 * decompresses all sections of a file when it opens it. The copy is an ELF file with these sections
 * alone; offsets in them are those of the original.
 */
#ifndef SRC_DEBUG_COPY_H
#define SRC_DEBUG_COPY_H

#include "src/user_cache.h"

#include <elfutils/libdw.h>
#include <stdbool.h>

/* A copy that dwarf_begin(3) can read by its fd. False: there is none. */
bool debug_copy_open(const struct user_cache_key *key, struct user_cache_file *ret);

/* True where there is one, as far as its name tells. */
bool debug_copy_exists(const struct user_cache_key *key);

/* Makes one from the file `fd`, open as `dwarf`, if that is compressed. */
void debug_copy_save(const struct user_cache_key *key, int fd, Dwarf *dwarf);

#endif
