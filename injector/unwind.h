/*
 * Frames from a snapshot: libunwind's remote interface over copied stacks, with unwind tables from
 * the mapped files; then frame pointers; then a bounded scan. Runs while the target runs.
 */
#ifndef INJECTOR_UNWIND_H
#define INJECTOR_UNWIND_H

#include "injector/error.h"
#include "injector/module.h"
#include "injector/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the caller found a frame ("Found by" of other tools). */
enum frame_how {
    FRAME_REGISTERS, /* the thread's own program counter */
    FRAME_CFI,       /* unwind tables */
    FRAME_RETURN,    /* the return address at the stack pointer of a function's first instruction */
    FRAME_SIGNAL,    /* the registers that the kernel saved for a signal handler */
    FRAME_FP,        /* the frame pointer chain */
    FRAME_SCAN,      /* a word on the stack that looks like a return address: a guess */
};
const char *frame_how_name(enum frame_how how); /* "registers", "cfi", "return", "signal", "fp",
                                                    "scan" */

struct frame {
    uint64_t pc;  /* as unwound: a return address for callers */
    uint64_t cfa; /* canonical frame address; 0: unknown */
    enum frame_how how;
    bool signal_frame; /* this frame is the signal trampoline */
    bool is_call_site; /* pc is a return address: look up pc - 1 */
};

/* The address to look up names and lines for. */
static inline uint64_t frame_lookup_pc(const struct frame *frame)
{
    return frame->is_call_site ? frame->pc - 1 : frame->pc;
}

enum unwind_end {
    UNWIND_COMPLETE,       /* the outermost frame was reached: undefined return address, or null */
    UNWIND_LIMIT,          /* max_frames */
    UNWIND_NEEDS_REGISTER, /* the next step needs a register unknown for a thread not stopped:
                              snapshot_pause_threads and unwind again */
    UNWIND_STOPPED,        /* no rule went on: stack unreadable, garbage, a loop; `reason` says */
};

struct stack {
    struct frame *frames; /* innermost first */
    size_t count;
    enum unwind_end end;
    const char *reason; /* static text, or NULL */
    bool live;          /* bytes newer than the registers were used (snapshot_read) */
    bool saved;         /* of a saved target, a file of which is not here: as found there */
    /* Of each frame, those that are known in it: unwinder_keep_registers. NULL: not asked for. */
    struct registers *registers;
};

void stack_deinit(struct stack *stack);

struct unwinder;

/* Borrows both. */
struct error *unwinder_create(struct snapshot *snapshot, struct modules *modules,
                              struct unwinder **ret) MUST_CHECK;

/*
 * Goes on with a later snapshot of the same modules (maps_same_code), in place of the one before,
 * which it does not touch. What it learned of code in files stays; code elsewhere may have changed.
 */
void unwinder_use(struct unwinder *unwinder, struct snapshot *snapshot);
void unwinder_destroy(struct unwinder *unwinder);
void unwinder_cleanup(struct unwinder **unwinder);
#define CLEANUP_UNWINDER __attribute__((cleanup(unwinder_cleanup)))

/*
 * From now on stacks come with the registers of each frame, or without. What no table mentions
 * counts as kept: of a caller only those of arch_kept_by_calls mean something.
 */
void unwinder_keep_registers(struct unwinder *unwinder, bool keep);

enum unwind_rules {
    UNWIND_CFI_ONLY, /* for safety decisions: stop where the tables end */
    UNWIND_ALL_RULES,
};

/*
 * Unwinds one thread of the snapshot; max_frames 0 is no limit. A stack that ends badly is no
 * error.
 */
struct error *unwind_thread(struct unwinder *unwinder, const struct thread_snapshot *thread,
                            enum unwind_rules rules, size_t max_frames,
                            struct stack *ret) MUST_CHECK;

/*
 * The same of a stack that nothing runs on, from the place where its owner left it by a call: a
 * goroutine. `parked` has its registers and stack, and a name for its reader.
 */
struct error *unwind_parked(struct unwinder *unwinder, const struct thread_snapshot *parked,
                            size_t max_frames, struct stack *ret) MUST_CHECK;

#endif
