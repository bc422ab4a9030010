/*
 * Caves: unused bytes behind the last instruction of a mapped text segment, up to the end of its
 * page. They are zero, belong to nobody, and no thread ever gets there: code of ours can stand in
 * them without new executable memory (which SELinux and others forbid) and without a change to any
 * instruction of the target. A write makes one page of the target its private copy; its bytes are
 * put back.
 */
#ifndef INJECTOR_CAVE_H
#define INJECTOR_CAVE_H

#include "injector/error.h"
#include "injector/linkmap.h"
#include "injector/maps.h"
#include "injector/process.h"

#include <stddef.h>
#include <stdint.h>

struct cave {
    uint64_t address; /* multiple of 16 */
    size_t size;
};

/*
 * Finds room for `count` (at most 8) pieces of code of the given sizes; they may share one tail. A
 * tail that is not all zero (a manhole-attach was killed while it used it) serves from its last
 * byte that is not. ERROR_UNSUPPORTED: there is not enough room.
 */
struct error *cave_find(const struct process *process, const struct maps *maps,
                        const struct linkmap *linkmap, const size_t *sizes, size_t count,
                        struct cave *ret) MUST_CHECK;

/*
 * Calls `visit` for each tail, whatever is in it, with a copy of its bytes: to find what a killed
 * manhole-attach left.
 */
void cave_each_tail(const struct process *process, const struct maps *maps,
                    const struct linkmap *linkmap,
                    void (*visit)(const struct cave *tail, const uint8_t *bytes, void *context),
                    void *context);

/*
 * Writes target memory, whatever its protection (proc(5), /proc/PID/mem; where that is restricted
 * by proc_mem.force_override, PTRACE_POKEDATA, for which `tid` must be stopped by us). All or an
 * error, ERROR_NO_PROCESS when it ended.
 */
struct error *remote_write(const struct process *process, pid_t tid, uint64_t address,
                           const void *bytes, size_t size) MUST_CHECK;

/* Writes zeros: what a cave held before. */
struct error *cave_restore(const struct process *process, pid_t tid,
                           const struct cave *cave) MUST_CHECK;

#endif
