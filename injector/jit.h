/*
 * Code that no file holds, since a runtime made it: what the runtime itself told of it. One per
 * target, owned by its modules.
 */
#ifndef INJECTOR_JIT_H
#define INJECTOR_JIT_H

#include "injector/cfi.h"
#include "injector/module.h"
#include "injector/perf_map.h"

#include <stdbool.h>
#include <stdint.h>

struct jit;

/* Reads nothing yet. NULL without memory. Both are borrowed. */
struct jit *jit_create(const struct process *process, struct modules *modules);
void jit_destroy(struct jit *jit);

/*
 * The runtime may have made other code since: what it registered is read anew when next asked for.
 * Names found before are gone.
 */
void jit_forget(struct jit *jit);

/*
 * The name of the code at a runtime address, as the runtime registered it; owned by `jit`. False:
 * it registered none.
 */
bool jit_find_name(struct jit *jit, uint64_t address, struct jit_name *ret);

/*
 * The unwind table entry of code at a runtime address outside of all modules, as cfi_find; its
 * bytes stay until jit_forget.
 */
bool jit_find_cfi(struct jit *jit, uint64_t pc, struct cfi_entry *ret);

#endif
