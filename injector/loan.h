/*
 * One loan of one thread (DESIGN.md section 5, steps 2 to 5): stop it, look whether it may be
 * borrowed, send it through the stub, fetch it and put everything back. From the moment its
 * registers lead into the stub it finds home alone, whatever becomes of us. Call it from a thread
 * of ours that ends soon (tracee.h).
 */
#ifndef INJECTOR_LOAN_H
#define INJECTOR_LOAN_H

#include "injector/arch/loan.h"
#include "injector/cave.h"
#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/process.h"
#include "injector/tracee.h"

#include <stdbool.h>
#include <stdint.h>

/* What one injection keeps in the target: its caves and its memory. */
struct loan_site {
    struct process *process;
    bool is_musl;
    struct cave stub, bootstrap;
    struct loan_parameters parameters; /* home, home_mask and loan_mask are filled in by the loan */
};

enum loan_outcome {
    LOAN_REFUSED, /* the thread may not be borrowed now; nothing was changed. `reason` says why */
    LOAN_DONE,    /* work done, thread at home; `result` is 0 or an errno */
    LOAN_AWAY,    /* time ran out while the thread was inside pthread_create: it goes home alone */
};

struct loan_report {
    enum loan_outcome outcome;
    const char *reason;  /* static text; of LOAN_REFUSED */
    bool for_good;       /* of LOAN_REFUSED: that will not change */
    int result;          /* of LOAN_DONE; EEXIST also when there was no room, for any reason, and it
                            went alone */
    bool went_alone;     /* it was at home before we fetched it */
    uint64_t stopped_us; /* from the stop to the release */
};

/* May this stopped thread be borrowed for the work? NULL, or static text. */
typedef const char *loan_gate(void *context, pid_t tid, const struct arch_regset *regset);

/*
 * Tries to borrow `tid`. After LOAN_UNMAP, and after a LOAN_CREATE_THREAD with a result (then the
 * region may be mapped; but no bootstrap thread exists), the caves hold zeros again.
 * Errors: ERROR_NOT_PERMITTED, ERROR_NO_PROCESS (the whole target ended).
 */
struct error *loan_try(struct loan_site *site, pid_t tid, enum loan_work work, loan_gate *gate,
                       void *context, deadline_t deadline, struct loan_report *ret) MUST_CHECK;

/* True when a stopped thread is neither in the stub nor in a handler that will return into it. */
bool loan_thread_is_out(const struct loan_site *site, struct tracee *tracee);

/* True when the region is there, and ours: what the target itself may have mapped at the same place
   has no such mark. */
bool loan_region_is_marked(const struct loan_site *site);

/* Zeros into the caves of a site that no thread is in. `tid`: see remote_write. */
void loan_clear_caves(struct loan_site *site, pid_t tid);

/* The thread of the target that has this id in its own pid namespace, as we see it; 0: none. */
pid_t loan_find_thread(const struct process *process, pid_t namespace_tid);

#endif
