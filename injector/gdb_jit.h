/*
 * Code that a runtime registered for debuggers: a list of ELF files in its memory, found by the
 * symbol __jit_debug_descriptor, with symbols and unwind tables (gdb manual, "JIT Compilation
 * Interface"). LLVM's JITs, Mono, Julia and others keep it. Private to jit.c.
 */
#ifndef INJECTOR_GDB_JIT_H
#define INJECTOR_GDB_JIT_H

#include "injector/cfi.h"
#include "injector/module.h"

#include <stdbool.h>
#include <stdint.h>

struct gdb_jit;

/* Reads the lists of all modules, as they are now. NULL: nothing is registered, or no memory. */
struct gdb_jit *gdb_jit_open(const struct process *process, struct modules *modules);
void gdb_jit_close(struct gdb_jit *jit);

/* The symbol that covers a runtime address; its name is owned by `jit`. */
bool gdb_jit_find_symbol(const struct gdb_jit *jit, uint64_t address, struct symbol *ret);

/* The unwind table entry for a runtime address, as cfi_find. */
bool gdb_jit_find_cfi(const struct gdb_jit *jit, uint64_t pc, struct cfi_entry *ret);

#endif
