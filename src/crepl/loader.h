/* Code that was compiled here, in the target: where there is room for it, how it gets there, runs
   and goes. All by way of the manhole: nothing is traced. */
#ifndef SRC_CREPL_LOADER_H
#define SRC_CREPL_LOADER_H

#include "injector/error.h"
#include "src/crepl/compile.h"
#include "src/session.h"

#include <stdbool.h>
#include <stdint.h>

struct loader {
    struct session *session; /* borrowed */
    uint64_t next;           /* free from here on, in the target and in this process */
    uint64_t end;
};

/* Finds room: in an area that is free in both processes. ERROR_PARTIAL: there is none. */
struct error *loader_init(struct loader *loader, struct session *session) MUST_CHECK;

/* The address that the next piece of code is to be made for. */
uint64_t loader_address(const struct loader *loader);

/*
 * Puts code where it was made for; `keep`: it stays when the session ends. Bytes of data alone:
 * loader_reserve. The answer's outcome is MANHOLE_DONE when it is there.
 */
struct error *loader_load(struct loader *loader, const struct compiled *code, bool keep,
                          struct session_answer *ret) MUST_CHECK;
struct error *loader_reserve(struct loader *loader, uint64_t size, uint64_t *address,
                             struct session_answer *ret) MUST_CHECK;

/* Calls void (void); its output reaches the user as it comes. */
struct error *loader_execute(struct loader *loader, uint64_t address,
                             struct session_answer *ret) MUST_CHECK;

/* Takes the piece away that was loaded last. */
struct error *loader_unload(struct loader *loader, const struct compiled *code,
                            uint64_t address) MUST_CHECK;

#endif
