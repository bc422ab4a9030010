/* Waiting, by futex alone: locks of ours that a forked child can tell from its own. */
#ifndef PAYLOAD_LOCK_H
#define PAYLOAD_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Sleeps while *word is `value`, at most timeout_ms (negative: without limit). May return early. */
void lock_wait(_Atomic uint32_t *word, uint32_t value, long timeout_ms);
void lock_wake(_Atomic uint32_t *word);

/* 0, or the pid of the process whose thread holds it: in a forked child, its parent's locks are
   free. All zero is a free lock. */
struct lock {
    _Atomic uint32_t owner;
};

/* False when the lock is not to be had within timeout_ms. */
bool lock_take(struct lock *lock, long timeout_ms);
void lock_release(struct lock *lock);

#endif
