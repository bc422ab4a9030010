/* The memory map of a target at one moment: /proc/PID/maps, parsed once, sorted by address. */
#ifndef INJECTOR_MAPS_H
#define INJECTOR_MAPS_H

#include "injector/error.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uint64_t start, end; /* [start, end) */
    uint64_t offset;     /* in the file, bytes */
    uint64_t inode;
    uint32_t device_major, device_minor;
    bool readable, writable, executable, shared;
    bool deleted; /* the kernel appended " (deleted)"; it is cut from path */
    char
        *path; /* unescaped (\012); "" for anonymous; "[stack]", "[vdso]", ... as the kernel says */
};

struct maps {
    struct mapping *mappings;
    size_t count;
    unsigned shares; /* further owners, each of whom calls maps_destroy; private to maps.c */
};

/* Reads the maps of a live thread. ERROR_NOT_PERMITTED (explained), ERROR_NO_PROCESS. */
struct error *maps_read(const struct process *process, struct maps **ret) MUST_CHECK;

/* The same from text in the format of proc(5), NUL terminated, modified while parsing. */
struct error *maps_parse(char *text, struct maps **ret) MUST_CHECK;

/* The same maps once more, for another owner; not from another thread. Returns maps. */
struct maps *maps_share(struct maps *maps);

/* The last owner's call frees. */
void maps_destroy(struct maps *maps);
void maps_cleanup(struct maps **maps);
#define CLEANUP_MAPS __attribute__((cleanup(maps_cleanup)))

/*
 * True when both map the same files at the same places and the same memory may be executed: what is
 * known of modules and of code in one holds in the other. Heaps and stacks come and go meanwhile.
 */
bool maps_same_code(const struct maps *one, const struct maps *other);

/* The mapping that contains the address, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

#endif
