/* What the files that make up the unwinder share: unwind.c (the walk), unwind_cfi.c (libunwind over
   the snapshot), unwind_go.c (Go's own tables), unwind_rules.c (what follows where tables end),
   unwind_saved.c (stacks found where a target was saved). Nobody else includes this. */
#ifndef INJECTOR_UNWIND_PRIVATE_H
#define INJECTOR_UNWIND_PRIVATE_H

#include "injector/cfi.h"
#include "injector/unwind.h"

#include <libunwind.h>

/* What is known of a code address; kept, as most threads stand at the same ones. */
struct pc_facts {
    uint64_t pc;
    bool valid;
    bool executable;     /* lies in memory that may be executed */
    bool in_file;        /* ... that shows a file and is not written: it does not change */
    bool after_call;     /* ... and behind a call instruction: may be a return address */
    bool function_start; /* a function begins there, and no call ends there */
    bool signal_return;  /* a signal handler's way back to the kernel */
};

#define PC_FACTS_COUNT 4096 /* a power of 2 */

struct unwinder {
    struct snapshot *snapshot; /* borrowed */
    struct modules *modules;   /* borrowed */
    /*
     * libunwind keeps rows of unwind tables by address alone, and forgets whether it looked the
     * address up as a return address (the row of the call) or as a program counter (its own row).
     * So one space with memory serves return addresses, and one without serves the others.
     */
    unw_addr_space_t space, exact_space;
    bool jit_rows;       /* rows of code made at run time are kept, which may change */
    bool keep_registers; /* of each frame */
    struct pc_facts facts[PC_FACTS_COUNT];
};

const struct pc_facts *unwinder_facts(struct unwinder *unwinder,
                                      const struct thread_snapshot *thread, uint64_t pc);

/* One thread being unwound. */
struct walk {
    struct unwinder *unwinder;
    const struct thread_snapshot *thread;
    bool live;    /* snapshot_read had newer bytes */
    bool stepped; /* the cursor is on a caller, no more on the innermost frame */

    struct registers registers; /* that the cursor began with: libunwind reads these */
    unw_cursor_t cursor;
    bool exact;        /* the cursor is in exact_space */
    unsigned adjusted; /* the cursor's program counter is that much below the true one */

    struct cfi_region region; /* of the last table entry: most reads of libunwind are there */
    size_t reads_left;        /* of this step: hostile tables may loop */
    bool no_entry;            /* this step found no table entry */
    bool unknown_register;    /* this step asked for a register that is not known... */
    bool needs_register;      /* ... though stopping the thread would show it */
    bool unreadable;          /* this step met memory that cannot be read */
};

/* Target memory as the walk's thread saw it. */
bool walk_read(struct walk *walk, uint64_t address, void *buffer, size_t size);

/* Puts the cursor on a frame. `call_site`: the program counter is a return address. */
bool walk_start(struct walk *walk, const struct registers *registers, bool call_site);

/* The registers of the cursor's frame, the true program counter among them. */
void walk_registers(struct walk *walk, struct registers *ret);

enum step {
    STEP_DONE,           /* the cursor is on the caller */
    STEP_OUTERMOST,      /* there is none */
    STEP_NO_TABLE,       /* the tables do not cover this address, or are broken; nothing changed */
    STEP_NEEDS_REGISTER, /* stop the thread to go on */
    STEP_UNREADABLE,     /* the tables lead to memory that cannot be read */
};

/* To the caller, by unwind tables. `signal_return`: the frame is one of a signal. */
enum step walk_step_cfi(struct walk *walk, bool signal_return);

/*
 * To the caller, by the table of a Go module, which knows what no unwind table tells: where
 * goroutines and threads begin, and where one's stack goes on on another. STEP_NO_TABLE: the frame
 * is not Go's. The frame is the first of its stack if `innermost`.
 */
enum step walk_step_go(struct walk *walk, const struct frame *frame, bool innermost,
                       bool *injected);

/* Keeps the stack in the recording of the target, if it has one. */
void stack_keep(const struct process *process, const struct thread_snapshot *thread,
                const struct stack *stack);

/*
 * Of a saved target: adds to the stack what is known of it from there, or replaces it where files
 * are missing that were there.
 */
void stack_recall(struct unwinder *unwinder, const struct thread_snapshot *thread,
                  size_t max_frames, struct stack *stack);

struct error *unwinder_create_spaces(struct unwinder *unwinder) MUST_CHECK;

/*
 * To the caller, by other rules; *how receives which. `call_site`: the frame's program counter is a
 * return address.
 */
enum step walk_step_rules(struct walk *walk, bool call_site, enum frame_how *how);

#endif
