/*
 * How the C libraries lay out what threads wait for: one table for each of them. Offsets in bytes
 * from the object's start, in 64-bit little-endian programs.
 */
#ifndef SRC_LOCK_LAYOUTS_H
#define SRC_LOCK_LAYOUTS_H

#include <stdint.h>

/*
 * glibc, 2.3.3 to 2.42. Sources: sysdeps/nptl/bits/thread-shared-types.h, bits/struct_mutex.h and
 * bits/struct_rwlock.h (x86 and generic, which agree for 64 bits), nptl/pthreadP.h,
 * nptl/internaltypes.h, nptl/pthread_rwlock_common.c (2.25 and later; the two futexes and the
 * writer of the lock before that, nptl/pthread_rwlock_rdlock.c of 2.24, have the same offsets).
 */
enum glibc_layout {
    GLIBC_MUTEX_LOCK = 0,  /* int: the futex; robust and PI: the holder's id and flags */
    GLIBC_MUTEX_OWNER = 8, /* int: id; set after locking, 0 before unlocking */
    GLIBC_MUTEX_KIND = 16, /* int: type and the flags below */
    GLIBC_MUTEX_SIZE = 40,

    GLIBC_MUTEX_TYPE_MASK = 0x3, /* enum below */
    GLIBC_MUTEX_RECURSIVE = 1,
    GLIBC_MUTEX_ERRORCHECK = 2,
    GLIBC_MUTEX_ADAPTIVE = 3,
    GLIBC_MUTEX_ROBUST = 0x10,
    GLIBC_MUTEX_PRIO_INHERIT = 0x20,
    GLIBC_MUTEX_PRIO_PROTECT = 0x40,
    GLIBC_MUTEX_SHARED = 0x80,
    GLIBC_MUTEX_KNOWN = 0x3ff, /* with the two flags of lock elision */

    GLIBC_RWLOCK_READERS = 0,        /* unsigned: readers << 3 | flags below */
    GLIBC_RWLOCK_PHASE_FUTEX = 8,    /* waited for by readers, and by the first writer */
    GLIBC_RWLOCK_WRITERS_FUTEX = 12, /* waited for by further writers */
    GLIBC_RWLOCK_WRITER = 24,        /* int: id of the writer that holds it; 0: none */
    GLIBC_RWLOCK_SHARED = 28,        /* int */
    GLIBC_RWLOCK_SIZE = 56,
    GLIBC_RWLOCK_READER_SHIFT = 3,
    /* A futex word of those two has this bit while somebody waits (PTHREAD_RWLOCK_FUTEX_USED), and
       1 for "wait"; the readers' word never equals their sum when it is waited for. */
    GLIBC_RWLOCK_FUTEX_WAITED = 3,

    /* pthread_cond_t is 8-byte aligned, its futexes are the last two words before 48 (2.25 to 2.40)
       or 40 (2.41 and later). Which one is told by the cleanup buffer in the waiter's frame, where
       the condition's address stands before the mutex's (struct _condvar_cleanup_buffer,
       nptl/pthread_cond_wait.c). */
    GLIBC_COND_SIGNALS_FIRST = 32,
    GLIBC_COND_SIGNALS_LAST = 44,

    GLIBC_BARRIER_IN = 0,    /* unsigned: threads that came, ever (internaltypes.h, 2.22) */
    GLIBC_BARRIER_ROUND = 4, /* unsigned, the futex: the value of `in` when this round began */
    GLIBC_BARRIER_COUNT = 8, /* unsigned: how many it takes */
    GLIBC_BARRIER_SIZE = 32,
};

/*
 * musl, 1.1.10 to 1.2.5. Sources: src/internal/pthread_impl.h, include/alltypes.h.in, and
 * pthread_mutex_timedlock.c, pthread_rwlock_timed*lock.c, sem_timedwait.c, pthread_barrier_wait.c,
 * pthread_join.c in src/thread.
 */
enum musl_layout {
    MUSL_MUTEX_LOCKED = 16, /* EBUSY: what a plain mutex has in place of an id */
    MUSL_MUTEX_TYPE = 0,    /* int: type and the flags below */
    MUSL_MUTEX_LOCK = 4, /* int, the futex: the holder's id; of a plain mutex EBUSY: it has none */
    MUSL_MUTEX_SIZE = 40,

    MUSL_MUTEX_TYPE_MASK = 0x3,
    MUSL_MUTEX_RECURSIVE = 1,
    MUSL_MUTEX_ERRORCHECK = 2,
    MUSL_MUTEX_ROBUST = 0x4,
    MUSL_MUTEX_PRIO_INHERIT = 0x8,
    MUSL_MUTEX_SHARED = 0x80,
    MUSL_MUTEX_HAS_OWNER = 0xf, /* any of these */
    MUSL_MUTEX_KNOWN = 0x8f,

    MUSL_RWLOCK_LOCK = 0, /* int, the futex: how many readers, or: a writer */
    MUSL_RWLOCK_WRITER = 0x7fffffff,

    /* The value of the futex while somebody waits. */
    MUSL_COND_WAITED = 2, /* in a node on the waiter's own stack (pthread_cond_timedwait.c) */
    MUSL_ONCE_WAITED = 3,

    /* struct pthread, x86_64: of the thread that is joined. */
    MUSL_THREAD_SELF = 0,          /* its own address */
    MUSL_THREAD_ID = 48,           /* int */
    MUSL_THREAD_DETACH_STATE = 56, /* int: the futex */
};

/* Set in a futex of musl that somebody waits for; alone in a semaphore's, from 1.2.4 on. */
#define MUSL_WAITED UINT32_C(0x80000000)
#define MUSL_SEM_WAITED MUSL_WAITED
#define MUSL_SEM_WAITED_BEFORE UINT32_C(0xffffffff)

#endif
