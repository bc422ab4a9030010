/*
 * The console on a terminal: libedit's editing with history and completion, one command after
 * another. Ctrl-C interrupts a running command and clears a line being typed; Ctrl-D leaves.
 */
#ifndef SRC_CONSOLE_H
#define SRC_CONSOLE_H

#include "src/evaluate.h"
#include "src/session.h"

#include <stdio.h>

/*
 * Runs until the user leaves, or the manhole or its process ends. `name` of the prompt is the
 * program's. Prompts go to `out`, a terminal. Returns the exit status.
 */
int console_run(struct evaluator *evaluator, pid_t pid, const char *name, FILE *out);

#endif
