/* Debug files from debuginfod servers, for the modules that stacks lead through. */
#ifndef SRC_FETCH_H
#define SRC_FETCH_H

#include "injector/module.h"
#include "injector/unwind.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Does nothing unless the user set DEBUGINFOD_URLS. May take long, with a progress line if
 * `show_progress`, and says on standard error what kept it from getting files. Then names are as
 * good as without them.
 */
void fetch_debug_files(struct modules *modules, const struct stack *stacks, size_t count,
                       bool show_progress);

#endif
