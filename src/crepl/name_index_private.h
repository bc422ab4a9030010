/* What name_index.c and name_kept.c share. Nobody else includes this. */
#ifndef SRC_CREPL_NAME_INDEX_PRIVATE_H
#define SRC_CREPL_NAME_INDEX_PRIVATE_H

#include "src/crepl/name_index.h"
#include "src/user_cache.h"

#define NO_ENTRY UINT32_MAX

struct name_index {
    struct symbols *symbols;
    struct module *module;
    struct name_entry *entries; /* of a kept file while that is open */
    uint32_t count, capacity;
    uintptr_t names; /* what the name of an entry is added to, modulo its size, for the address */
    uint32_t *heads; /* of the chains of equal hashes, ascending; NO_ENTRY: empty */
    uint32_t mask;
    uint32_t walked;       /* entries of the first walk */
    uint32_t shared_start; /* the first of those in the file that dwz(1) made */
    bool has_locals, full;
    bool is_kept;                /* entries and heads are the file's */
    bool kept_locals;            /* which has those inside of functions too: */
    uint32_t kept_count;         /* so many altogether */
    struct user_cache_file file; /* stays open: names are in it */
};

/* Makes the index from what an earlier session kept. False: there is nothing, or it is no use. */
bool name_kept_load(struct name_index *index);

/* Keeps the index, and what it took to read the debug information. */
void name_kept_save(const struct name_index *index);

/* Before the index changes: entries of its own. False without memory. */
bool name_kept_detach(struct name_index *index);

#endif
