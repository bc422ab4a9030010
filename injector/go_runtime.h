/*
 * What Go's runtime keeps of its goroutines (src/runtime/runtime2.go: type g, gobuf, m), at the
 * places where the version at hand has them. Private to goroutines.c.
 */
#ifndef INJECTOR_GO_RUNTIME_H
#define INJECTOR_GO_RUNTIME_H

#include "injector/error.h"
#include "injector/module.h"
#include "injector/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* atomicstatus without the bit of the garbage collector; the same numbers since Go 1.14. */
enum go_status {
    GO_IDLE = 0,
    GO_RUNNABLE = 1,
    GO_RUNNING = 2,
    GO_SYSCALL = 3,
    GO_WAITING = 4,
    GO_DEAD = 6,
    GO_COPYSTACK = 8,
    GO_PREEMPTED = 9,
    GO_STATUS_MAX = 9,
    GO_UNREADABLE = -1,
};

/* One goroutine; without padding, so that two are compared byte by byte: equal ones have not run in
   between. */
struct go_g {
    uint64_t stack_low, stack_high;
    uint64_t sp, pc; /* where it goes on; of GO_SYSCALL where it entered the call */
    uint64_t m;      /* address of its thread's struct; 0: none */
    uint64_t id;
    int32_t status; /* enum go_status */
    uint32_t wait_reason;
    /* What is behind that: flags, and from Go 1.17 on trackingSeq, which counts each time that it
       stopped running. */
    uint8_t marks[24];
};

struct go_runtime;

/* *ret is NULL where nothing is found that is certainly the list of goroutines. */
struct error *go_runtime_open(const struct snapshot *snapshot, struct module *module,
                              struct go_runtime **ret) MUST_CHECK;
void go_runtime_close(struct go_runtime *runtime);

/* The addresses of at most `max` goroutines, malloc'ed; *rest: how many there are beyond. */
struct error *go_runtime_goroutines(struct go_runtime *runtime, size_t max, uint64_t **ret,
                                    size_t *count, size_t *rest) MUST_CHECK;

/* Reads goroutines into `ret`, each `stride` bytes behind the one before. */
void go_runtime_read(struct go_runtime *runtime, const uint64_t *addresses, size_t count,
                     struct go_g *ret, size_t stride);

/* Why a goroutine waits, in Go's words; printable. False: not known. */
bool go_runtime_wait_reason(struct go_runtime *runtime, const struct go_g *g, char *buffer,
                            size_t size);

/* The thread a goroutine is on; 0: not known. */
pid_t go_runtime_thread(struct go_runtime *runtime, const struct go_g *g);

#endif
