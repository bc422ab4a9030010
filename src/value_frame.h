/*
 * One physical frame as DWARF expressions see it: its registers, its canonical frame address, its
 * function, its caller, and the target's memory as its thread saw it.
 */
#ifndef SRC_VALUE_FRAME_H
#define SRC_VALUE_FRAME_H

#include "injector/module.h"
#include "injector/snapshot.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is the same for all frames of a thread, and what evaluating in them found out. */
struct value_thread {
    const struct process *process;
    struct snapshot *snapshot; /* NULL: memory is read as it is now, and no register is known */
    const struct thread_snapshot *thread;
    struct modules *modules;
    bool live;           /* bytes newer than the registers were used; of the current value */
    size_t steps_left;   /* of the current value: hostile expressions may never end */
    bool needs_register; /* a register was wanted that stopping the thread would show */
};

/* Call it before each variable. */
void value_begin(struct value_thread *thread);

struct value_frame {
    struct value_thread *thread;
    const struct registers *registers;
    uint64_t cfa;         /* canonical frame address; 0: unknown */
    uint64_t bias;        /* of the module: runtime address = address in the file + bias */
    Dwarf_Addr pc;        /* in the file: a return address for callers */
    Dwarf_Addr lookup_pc; /* in the file: within the call instruction, for callers */
    bool is_caller;       /* pc is a return address */
    bool in_syscall;      /* the thread's own program counter, within a call that did not return */
    bool has_function;
    Dwarf_Die function;               /* of the physical function, when has_function */
    const struct value_frame *caller; /* the next physical frame, or NULL */
};

/*
 * Target memory as the thread saw it; what cannot be read there, and is never written, comes from
 * the module's file. Returns false unless all bytes could be read.
 */
bool value_frame_read(const struct value_frame *frame, uint64_t address, void *buffer, size_t size);

/* A register by its DWARF number; false: unknown in this frame. */
bool value_frame_register(const struct value_frame *frame, uint64_t number, uint64_t *ret);

#endif
