/*
 * Machine code that the client compiled for an address in this process: put there, run under the
 * guard, taken away. It is never writable and executable at the same time.
 */
#ifndef PAYLOAD_CODE_H
#define PAYLOAD_CODE_H

#include "payload/console.h"

#include <stdbool.h>
#include <stdint.h>

/* The jobs: LOAD, UNLOAD, EXECUTE and WRITE of protocol.h. */
void code_load(struct request *request);
void code_unload(struct request *request);
void code_execute(struct request *request);
void code_write(struct request *request);

/* True for an address in the executable part of what was loaded; safe in a signal handler. */
bool code_holds(uintptr_t address);

/* At the end of a session: unmaps all that was not loaded to stay (MANHOLE_KEEP). */
void code_end_session(void);
/* In a forked child: what was loaded stays mapped, and is nobody's any more. */
void code_forget(void);

#endif
