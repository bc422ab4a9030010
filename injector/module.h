/*
 * One ELF file mapped into the target: the *right* file (its build-id is the one in memory), where
 * it is loaded, its unwind tables and its symbols (DESIGN.md section 4, "The right file").
 */
#ifndef INJECTOR_MODULE_H
#define INJECTOR_MODULE_H

#include "injector/error.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX 64

/* What stands now at the path a module was mapped from. Only a word for the user: the right file is
   found in any case, or none is used. */
enum file_state {
    FILE_UNKNOWN,  /* nothing that we may look at, though the kernel does not say that it is gone */
    FILE_PRESENT,  /* the file, or an equal one: the same build-id */
    FILE_DELETED,  /* nothing */
    FILE_REPLACED, /* another file: an upgrade */
    FILE_MEMORY,   /* it never had a path: memfd_create(2), the vDSO */
    FILE_CHANGED,  /* it, or its debug file, was written to while we read it: nothing that comes
                      from it is sure. modules_check_files finds out */
};

/* "present", "deleted", ...; NULL for FILE_UNKNOWN. */
const char *file_state_name(enum file_state state);

struct module {
    char *path;          /* as the target names it; "[vdso]" */
    uint64_t start, end; /* lowest and highest address mapped from it */
    uint64_t bias;       /* runtime address = ELF vaddr + bias */
    enum file_state file_state;
    bool from_memory; /* no right file was found: the image is what target memory holds */
    uint8_t build_id[BUILD_ID_MAX];
    size_t build_id_size; /* 0: has none */

    const uint8_t *image; /* the ELF file's bytes, mapped or copied; NULL: none */
    size_t image_size;
    int fd; /* the right file, or -1 */

    struct module_private *priv; /* unwind tables, symbol index: made when first asked for */
};

struct modules {
    struct module **modules; /* ascending by start */
    size_t count;
    const struct process *process; /* borrowed */
    const struct maps *maps;       /* borrowed */
    struct jit *jit;               /* code that no file holds: injector/jit.h */
};

/* Finds all modules of the maps; opens files lazily. */
struct error *modules_create(const struct process *process, const struct maps *maps,
                             struct modules **ret) MUST_CHECK;
void modules_destroy(struct modules *modules);
void modules_cleanup(struct modules **modules);
#define CLEANUP_MODULES __attribute__((cleanup(modules_cleanup)))

/* The module an address belongs to, or NULL (anonymous memory, JIT code). Opens its image. */
struct module *modules_find(struct modules *modules, uint64_t address);

/*
 * Finds the right file, if that was not done yet: until then bias, build_id, image, image_size, fd,
 * file_state and from_memory of a module taken from modules->modules are not valid. What it cannot
 * find stays zero. The functions below do it by themselves.
 */
void module_open(struct module *module);

/*
 * Opens a file or directory as the target would, within its root, following no symbolic link out of
 * it; never waits for what it opens. Returns a descriptor, or -1 with errno.
 */
int module_open_in_root(const struct process *process, const char *path);

/* Notes which of the files that were opened so far have changed since (FILE_CHANGED). */
void modules_check_files(struct modules *modules);

/*
 * Read-only bytes of the module (code, constants, unwind tables) from its file. False where the
 * file has none, or where memory may hold other ones.
 */
bool module_code_at(struct module *module, uint64_t address, uint8_t *buffer, size_t size);

/* The runtime address of the entry point in the file's header; 0: none. */
uint64_t module_entry(struct module *module);

/* A symbol that covers an address. */
struct symbol {
    const char *name; /* raw, owned by the module */
    uint64_t address; /* runtime address of its start */
    uint64_t size;    /* bytes; 0: unsized, the nearest below */
    uint8_t type;     /* STT_FUNC, ... of <elf.h>; of STT_GNU_IFUNC the address is the resolver's */
    bool is_local;    /* STB_LOCAL: static, or hidden by the linker */
};

/*
 * The symbol that covers a runtime address: sized ones first, then the nearest unsized code symbol
 * below within its section. From .symtab and .dynsym of the module and of its separate debug file
 * (same build-id, or .gnu_debuglink with matching CRC) or .gnu_debugdata. False: no name that is
 * true.
 */
bool module_symbol(struct module *module, uint64_t address, struct symbol *ret);

/*
 * The runtime address of a defined symbol by raw name (0: none), functions and data. Of several the
 * default version, a global one before a weak and a local one. `ret` may be NULL.
 */
uint64_t module_symbol_address(struct module *module, const char *name, struct symbol *ret);

/*
 * The same of a symbol that the module exports to others, from .dynsym of its own file alone: by
 * its hash, in microseconds, where all others would have to be sorted first. `size` may be NULL.
 */
uint64_t module_export(struct module *module, const char *name, uint64_t *size);

/* Calls `visit` for each symbol name until it returns false. */
void module_each_symbol(struct module *module, bool (*visit)(const struct symbol *, void *),
                        void *context);

/* The table of a Go module (injector/go_table.h), owned by the module; NULL: it is none. */
struct go_table *module_go_table(struct module *module);

/* A Go module among those whose table was asked for; NULL: none. Opens nothing. */
struct module *modules_known_go(struct modules *modules);

/*
 * The separate debug file of the module: by build-id in <target root>/usr/lib/debug and
 * /usr/lib/debug, then by .gnu_debuglink. Returns a descriptor owned by the module and its path
 * (owned by the module), or -1. The module's own file when that carries .debug_info itself.
 */
int module_debug_file(struct module *module, const char **path);

/*
 * The file with what the debug file of the module shares with others, which dwz(1) put there: the
 * one of that build-id, sought as a debug file is, then by its name (.gnu_debugaltlink) from the
 * directory of the debug file on, then in /usr/lib/debug/.dwz, then on debuginfod servers. Returns
 * a descriptor owned by the module, or -1.
 */
int module_shared_debug_file(struct module *module, const char *name, const uint8_t *build_id,
                             size_t build_id_size);

/*
 * Asks the debuginfod servers for what module_debug_file does not find, and makes it the debug file
 * of the module if its build-id is right; for the executable, where memory alone shows that. Takes
 * its time (debug_server.h): nothing of the target may be stopped.
 */
void module_fetch_debug_file(struct module *module);

#endif
