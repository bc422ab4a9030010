#include "payload/lock.h"

#include "payload/sys.h"

#include <linux/futex.h>
#include <stdatomic.h>

/* A lock of ours is contended for moments only; a waiter looks again after this long, ms. */
#define RETRY_MS 20

void lock_wait(_Atomic uint32_t *word, uint32_t value, long timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    /* EAGAIN, EINTR, ETIMEDOUT: the caller looks at the word in each case. */
    SYS_CALL(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

void lock_wake(_Atomic uint32_t *word)
{
    SYS_CALL(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

bool lock_take(struct lock *lock, long timeout_ms)
{
    uint32_t me = (uint32_t)sys_getpid();
    uint64_t end = sys_now_ms() + (uint64_t)timeout_ms;
    for (;;) {
        uint32_t owner = 0;
        if (atomic_compare_exchange_strong(&lock->owner, &owner, me))
            return true;
        if (owner != me) {
            atomic_compare_exchange_strong(&lock->owner, &owner, 0);
            continue;
        }
        if (sys_now_ms() >= end)
            return false;
        lock_wait(&lock->owner, owner, RETRY_MS);
    }
}

void lock_release(struct lock *lock)
{
    atomic_store(&lock->owner, 0);
    lock_wake(&lock->owner);
}
