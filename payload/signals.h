/*
 * Signal handlers of the process. Some are borrowed for moments, during an evaluation and while the
 * stacks are recorded: for whatever is not ours they do what would have happened without us. Others
 * are held from installing to uninstalling: the signals of activation.
 */
#ifndef PAYLOAD_SIGNALS_H
#define PAYLOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A signal that nobody has a use for, as far as one can see: a real-time one, the highest whose
 * disposition is the default. Where all are taken (Go takes every signal), the highest: those that
 * we do not send ourselves are passed on in any case.
 */
int signals_choose(void);

/* What a handler of ours does with a signal; false: it is not ours. Called inside the handler. */
typedef bool signals_claim(int signal, const siginfo_t *info, void *context);

/*
 * Puts our handler in place. `restart`: interrupted calls go on by themselves (SA_RESTART).
 * Takes may be nested, and are counted. Only our worker calls these, or whoever buries it.
 */
void signals_take(int signal, bool restart, signals_claim *claim);
/* Puts back what was there, unless the program has put something else there meanwhile. */
void signals_give_back(int signal);
/*
 * The same for a signal that we sent and that may still be pending somewhere, where it would kill
 * once the default is back: throws it away first. (Setting a signal to be ignored discards it in
 * all queues, also where it is blocked: POSIX sigaction, kernel/signal.c do_sigaction.)
 */
void signals_give_back_flushed(int signal);
/* All that are taken and not held: for a worker that ended without giving them back. */
void signals_give_back_all(void);

/*
 * Takes a signal (SA_RESTART) until signals_release: only on the thread that installs, and none
 * that is taken otherwise. 0, or sigaction(2)'s errno.
 */
int signals_hold(int signal, signals_claim *claim);
/* As signals_give_back. Nothing happens if it is not held. */
void signals_release(int signal);
/*
 * Waits, for a moment, until no other thread of the program can be in the handler of a released
 * signal any more: in it, the kernel has the signal blocked.
 */
void signals_wait_until_left(int signal);

/* Those whose disposition is the default, bit n - 1 for signal n. */
uint64_t signals_default(void);

/* In a forked child: all that are taken, and no thread is in our handler. */
void signals_forget(void);

/* Threads of the program that are inside our handler at this moment. */
unsigned signals_in_flight(void);
/* Inside a handler that waits for us: it is not counted meanwhile. */
void signals_begin_waiting(void);
void signals_end_waiting(void);

/* The handler to jump to (0: return) and its restorer (0: as it is); see arch_signal_entry. */
struct signal_chain {
    uintptr_t handler, restorer;
};
struct signal_chain signals_dispatch(int signal, siginfo_t *info, void *context);

#endif
