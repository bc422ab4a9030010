/*
 * Would a thread's seccomp filters kill it, or us, for the calls of a loan? A filter that answers
 * with SECCOMP_RET_KILL ends the whole process at the first call it does not know (seccomp(2)); the
 * new thread inherits the filters. So they are read and run here, before anything is done there.
 */
#ifndef INJECTOR_SECCOMP_H
#define INJECTOR_SECCOMP_H

#include "injector/process.h"

#include <stdbool.h>
#include <sys/types.h>

/* True when the thread has filters at all, or is in strict mode. */
bool seccomp_is_filtered(const struct process *process, pid_t tid);

/*
 * For a thread that is filtered, and that we hold stopped: NULL when the calls of a loan and of the
 * payload are safe (an error result is, mostly), else static text. Needs PTRACE_SECCOMP_GET_FILTER
 * (Linux 4.4, CONFIG_CHECKPOINT_RESTORE, CAP_SYS_ADMIN).
 */
const char *seccomp_obstacle(const struct process *process, pid_t tid);

#endif
