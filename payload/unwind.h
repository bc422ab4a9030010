/*
 * The stack of a thread that sleeps, from its registers and its memory, by the program's own unwind
 * tables. Nothing runs in that thread, nothing of the program is called or locked. What is shown is
 * certain: a stack ends where a register would be needed that is not known, or where an address
 * stands behind no call.
 */
#ifndef PAYLOAD_UNWIND_H
#define PAYLOAD_UNWIND_H

#include "payload/cfi.h"

#define UNWIND_MAX_FRAMES 256

enum unwind_end {
    UNWIND_OUTERMOST, /* all of it */
    UNWIND_LIMIT,     /* UNWIND_MAX_FRAMES, and there is more */
    UNWIND_NEEDS_REGISTER,
    UNWIND_NO_TABLE,
    UNWIND_UNREADABLE,
    UNWIND_NO_CALL, /* the next address is none that a call left */
    UNWIND_NO_PROGRESS,
};

struct trace {
    size_t count;
    enum unwind_end end;
    uintptr_t pcs[UNWIND_MAX_FRAMES];
    bool exact[UNWIND_MAX_FRAMES]; /* the program counter itself, not a return address */
};

/* What is needed for any number of stacks. */
struct unwinder {
    struct modules modules;
    struct view code, stack;
    struct cfi_work *work;
};

/* 0 or an errno; unwinder_deinit in any case. */
int unwinder_init(struct unwinder *unwinder);
void unwinder_deinit(struct unwinder *unwinder);

/* Starts with these registers, of which the program counter and the stack pointer must be known. */
void unwind(struct unwinder *unwinder, const struct registers *registers, struct trace *ret);

/* One line for people, without newline; NULL: nothing is missing. */
const char *unwind_explain(enum unwind_end end);

#endif
