/*
 * What the target's dynamic loader knows: the objects it has loaded, in the order in which it looks
 * for symbols, and their exported functions. Read from the target's memory alone (auxv -> program
 * headers -> PT_DYNAMIC -> DT_DEBUG -> r_debug -> link_map: <link.h>, <elf.h>), so it is true for
 * deleted files, other roots and containers. Nothing is stopped.
 */
#ifndef INJECTOR_LINKMAP_H
#define INJECTOR_LINKMAP_H

#include "injector/error.h"
#include "injector/maps.h"
#include "injector/process.h"
#include "injector/symbol_hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page_table;

/* One loaded object. Target addresses. */
struct loaded {
    uint64_t entry;      /* its link_map: what dlopen returns as handle, in glibc and in musl */
    uint64_t bias;       /* l_addr */
    uint64_t dynamic;    /* l_ld */
    uint64_t start, end; /* all that is mapped of it; 0, 0: unknown */
    uint64_t tls_size;   /* PT_TLS, bytes of its static or dynamic thread storage; 0: none */
    char *name;          /* l_name, "" for the program itself */
    char *soname;        /* DT_SONAME, or "" */
    struct symbol_tables tables;
    uint64_t versions; /* DT_VERSYM, or 0 */
};

struct linkmap {
    struct loaded *objects; /* the program first */
    size_t count;
    uint64_t debug; /* address of r_debug */
    size_t libc;    /* index of the object that defines the C library, or count */
    uint64_t loader_start, loader_end; /* the dynamic loader; in musl that is libc */
    size_t permanent; /* objects from this index on may be unloaded: they came by dlopen */
    bool is_musl;
    const struct process *process; /* borrowed */
    struct page_table *pages;      /* what was read; of objects only what does not change in them */
    uint64_t *reads_left;          /* private to linkmap.c */
};

/*
 * Reads the link map. Errors: ERROR_UNSUPPORTED (a static program, which has no dynamic loader; or
 * one that has not started yet), ERROR_NO_PROCESS, ERROR_PARTIAL (inconsistent memory, or a list
 * that changed whenever it was read for half a second).
 */
struct error *linkmap_read(const struct process *process, const struct maps *maps,
                           struct linkmap **ret) MUST_CHECK;
void linkmap_destroy(struct linkmap *linkmap);
void linkmap_cleanup(struct linkmap **linkmap);
#define CLEANUP_LINKMAP __attribute__((cleanup(linkmap_cleanup)))

/* True while no dlopen or dlclose is under way: r_state is RT_CONSISTENT (<link.h>). */
bool linkmap_is_consistent(const struct linkmap *linkmap);

struct export
{
    uint64_t address;
    uint64_t size;
    const struct loaded *object;
};

/*
 * The function the program itself would get by this name: the first default definition in global
 * scope order. An indirect function (STT_GNU_IFUNC) is never returned. False: there is none.
 */
bool linkmap_function(const struct linkmap *linkmap, const char *name, struct export *ret);

/* The definitions of `name` in one object, all versions; calls `visit` for each. */
void linkmap_each_definition(const struct linkmap *linkmap, const struct loaded *object,
                             const char *name, void (*visit)(const struct export *, void *),
                             void *context);

/* The object that an address belongs to, or NULL. */
const struct loaded *linkmap_find(const struct linkmap *linkmap, uint64_t address);

/* The loaded object with this DT_SONAME, or NULL. */
const struct loaded *linkmap_find_soname(const struct linkmap *linkmap, const char *soname);

#endif
