/*
 * Files by build-id from the debuginfod servers that the user named in DEBUGINFOD_URLS, by way of
 * libdebuginfod (debuginfod_find_debuginfo(3)): its cache, and its variables. That library is
 * loaded when a file is first asked for: it brings in thirty others, which take 20 ms to link.
 *
 * What one run of the program asked for, and in vain, is remembered for the whole of it, whatever
 * process it was for. Not for several threads at once.
 */
#ifndef INJECTOR_DEBUG_SERVER_H
#define INJECTOR_DEBUG_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum debug_server_file {
    DEBUG_SERVER_DEBUGINFO,
    DEBUG_SERVER_EXECUTABLE,
};

/* True when the user named servers, and none of them was given up so far. */
bool debug_server_wanted(void);

/*
 * Asks for a file. Returns a descriptor, with the path of the cached copy in *path (malloc'ed); or
 * -1. It is as yet only somebody's claim that this is the file of that build-id.
 *
 * Waits as long as something arrives, but 5 minutes at most for all files of a run; without a new
 * byte for DEBUGINFOD_TIMEOUT seconds (default 20) the servers are given up for this run.
 */
int debug_server_get(enum debug_server_file what, const uint8_t *build_id, size_t size,
                     char **path);

/* Why files that were asked for are missing, for the user; or NULL. Said once. */
const char *debug_server_problem(void);

#endif
