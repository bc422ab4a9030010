/* What the files that make up a module share: module.c, module_file.c, debug_file.c,
   mini_debug.c, module_saved.c, symbol_index.c, cfi.c. Nobody else includes this. */
#ifndef INJECTOR_MODULE_PRIVATE_H
#define INJECTOR_MODULE_PRIVATE_H

#include "injector/elf_image.h"
#include "injector/module.h"

/* A file with debug information that has proved to be the one wanted. */
struct debug_file {
    int fd; /* or -1: none */
    char *path;
    struct file_bytes bytes;
    struct elf_image elf;
};

struct module_private {
    const struct process *process;  /* borrowed */
    const struct mapping *mappings; /* of the modules' maps, from the first of this module on */
    size_t mapping_count;           /* up to the last of this module */
    size_t number;                  /* among all modules */

    bool opened;             /* image, fd and build-id are found, or known not to be found */
    struct file_bytes bytes; /* under module->image */
    struct elf_image elf;    /* segment_count 0: no image */

    bool debug_sought;
    struct debug_file debug; /* the separate debug file */
    bool shared_sought;
    struct debug_file shared; /* what it has in common with others (dwz(1)) */

    bool mini_sought;
    struct file_bytes mini_bytes;
    struct elf_image mini_elf; /* what .gnu_debugdata holds */

    struct symbol_index *symbols; /* NULL: not asked for yet */
    struct cfi *cfi;              /* NULL: not asked for yet */
    bool go_sought;
    struct go_table *go; /* NULL: no Go module */
};

/* module_file.c: finds image, image_size, fd, from_memory, build_id. */
void module_file_open(struct module *module);
void module_file_close(struct module *module);
bool module_file_changed(const struct module *module);

/* module_saved.c: keeps in the recording of a target what became of the file, and one that is gone
   from its path as a whole. */
void module_keep_file(const struct module *module);
/* Of a saved target: a descriptor of the file that was kept, or -1. */
int module_recall_file(const struct module *module);
/* Of a saved target: what became of the file where it was saved; false: nothing is known. */
bool module_recall_state(const struct module *module, enum file_state *ret);

/* debug_file.c: finds `debug`; once. */
void debug_file_find(struct module *module);
void debug_file_close(struct module *module);
bool debug_file_changed(const struct module *module);

/* mini_debug.c: unpacks .gnu_debugdata into mini_bytes and mini_elf, where there is one; once. */
void mini_debug_find(struct module *module);
void mini_debug_close(struct module *module);

#endif
