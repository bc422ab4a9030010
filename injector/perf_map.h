/*
 * The names that a runtime writes of the code it makes, for perf(1): /tmp/perf-PID.map in the
 * target's mount namespace, with the pid of its own pid namespace; one "START SIZE name" a line,
 * hexadecimal (linux tools/perf/Documentation/jit-interface.txt). V8, HotSpot, CPython 3.12, LLVM
 * and others write it. /tmp is everybody's, so a file is believed only if its owner is the
 * target's user or root, nobody else may write to it, and it is not older than the process.
 */
#ifndef INJECTOR_PERF_MAP_H
#define INJECTOR_PERF_MAP_H

#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perf_map;

/* Reads the map of a target; NULL: it has none that may be believed, or memory is short. */
struct perf_map *perf_map_open(const struct process *process);
void perf_map_close(struct perf_map *map);

/* True when the file is no more the one that was read: a runtime has written on. */
bool perf_map_is_stale(const struct perf_map *map, const struct process *process);

/* The same as perf_map_open from text, which is modified, and owned and freed by the map from then
 * on. */
struct perf_map *perf_map_parse(char *text, size_t size);

/* Code with a name, made at run time. */
struct jit_name {
    const char *name;     /* as the runtime wrote it; never empty */
    uint64_t start, size; /* of the code */
};

/*
 * The code that covers an address: of several the one written last, since a runtime uses memory
 * again. False: none. The name is owned by the map.
 */
bool perf_map_find(const struct perf_map *map, uint64_t address, struct jit_name *ret);

#endif
