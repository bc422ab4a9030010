/* One clock for every wait of ours: CLOCK_MONOTONIC, in microseconds. */
#ifndef INJECTOR_DEADLINE_H
#define INJECTOR_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A moment on CLOCK_MONOTONIC, us. */
typedef uint64_t deadline_t;

static inline uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline deadline_t deadline_after_us(uint64_t us)
{
    return monotonic_us() + us;
}

static inline bool deadline_passed(deadline_t deadline)
{
    return monotonic_us() >= deadline;
}

/* The time left in us; 0 when it has passed. */
static inline uint64_t deadline_left_us(deadline_t deadline)
{
    uint64_t now = monotonic_us();
    return now >= deadline ? 0 : deadline - now;
}

#endif
