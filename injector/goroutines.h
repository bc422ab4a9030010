/*
 * The goroutines of a Go program that wait, with their stacks, read from outside while they wait.
 * A goroutine is read twice, its stack in between: what moved meanwhile is not shown as if it had
 * not. Nothing is stopped for it.
 *
 * Where the runtime keeps them is found by the symbol runtime.allgs, or in a stripped program by
 * looking for what can only be that; which version's layout holds is decided by what the layouts
 * would have to show (injector/goroutines.c). Where none does, no goroutine is shown.
 */
#ifndef INJECTOR_GOROUTINES_H
#define INJECTOR_GOROUTINES_H

#include "injector/error.h"
#include "injector/module.h"
#include "injector/snapshot.h"
#include "injector/unwind.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* More are counted, not read. */
#define GOROUTINES_MAX 10000

struct goroutine {
    uint64_t id;
    char state[48];     /* as Go prints it: "chan receive", "syscall"; printable */
    pid_t tid;          /* the thread that waits with it (in a system call or C code); 0: none */
    bool moved;         /* it ran while it was looked at, each time: it has no frames */
    struct stack stack; /* innermost first */
};

struct goroutines {
    struct goroutine *items; /* ascending by id */
    size_t count;
    size_t running;      /* those that run, which are their threads' stacks, or are about to */
    size_t not_read;     /* beyond GOROUTINES_MAX */
    const char *problem; /* static: why there are none, though this is a Go program; or NULL */
};

/*
 * Reads the goroutines of a snapshot's target, as it is now. *ret is NULL where no Go module was
 * met while its threads were unwound.
 */
struct error *goroutines_read(struct snapshot *snapshot, struct modules *modules,
                              struct unwinder *unwinder, size_t max_frames,
                              struct goroutines **ret) MUST_CHECK;
void goroutines_destroy(struct goroutines *goroutines);

#endif
