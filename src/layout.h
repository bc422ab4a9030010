/*
 * What a look learns of a target's files: its modules with their unwind tables, symbols and lines.
 * It stays true as long as the target maps the same files and code, and is kept from one look to
 * the next for that long: an execve(2), a dlopen(3) or a JIT compiler's new memory ends it, or a
 * file that is written to.
 */
#ifndef SRC_LAYOUT_H
#define SRC_LAYOUT_H

#include "injector/error.h"
#include "injector/module.h"
#include "injector/python.h"
#include "injector/snapshot.h"
#include "injector/unwind.h"
#include "src/symbols.h"

struct layout {
    struct maps *maps; /* of the snapshot it was made for */
    struct modules *modules;
    struct unwinder *unwinder; /* over the snapshot of the latest look; NULL: there was none */
    struct symbols *symbols;
    struct python *python; /* NULL: no Python program */
    unsigned shares;       /* further owners; private to layout.c */
};

/*
 * A layout before there is a snapshot, from the maps as they are now: to be the `before` of
 * layout_get.
 */
struct error *layout_prepare(const struct process *process, const struct symbols_options *names,
                             struct layout **ret) MUST_CHECK;

/*
 * The layout to look at `snapshot` with: another share of `before` (may be NULL) where that still
 * holds, else a new one. The caller owns it, layout_release. Reports that were made with `before`
 * keep what they got from it; none of them can be unwound any more.
 */
struct error *layout_get(struct layout *before, struct snapshot *snapshot,
                         const struct symbols_options *names, struct layout **ret) MUST_CHECK;

/* False once a file that it is made of was written to: nothing that it tells is sure any more. */
bool layout_is_sure(const struct layout *layout);

/* NULL is fine; the last owner's call frees. */
void layout_release(struct layout *layout);

#endif
