/* The --save and the --load of a dump: the target in a file. */
#ifndef SRC_SAVE_H
#define SRC_SAVE_H

#include "injector/error.h"
#include "src/dump.h"
#include "src/output.h"

/* The process with this id, recorded if it is to be saved; or, with --load, the one in the file. */
struct error *save_open_target(pid_t pid, const struct dump_options *options,
                               struct process **ret) MUST_CHECK;

/*
 * Writes the target of a report, which must have been recorded (process_record) and printed before:
 * what was asked for that comes back in the same order when the file is loaded.
 */
struct error *save_report(const struct report *report, const struct dump_options *options,
                          struct output *to) MUST_CHECK;

#endif
