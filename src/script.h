/*
 * Commands that no terminal types: --eval, --file, and a standard input that is a file or a pipe.
 * No prompt, no banner; output to standard output, failures to standard error. A command that fails
 * does not stop those after it, as in sh; the exit status is 1 then. With --format json: documents
 * on standard output (json_answers.h) instead of output, values and failures.
 *
 * Of Python, what --eval and --file have between two commands is one script, which its first
 * exception ends. On standard input a block is run when a line follows that is not indented.
 */
#ifndef SRC_SCRIPT_H
#define SRC_SCRIPT_H

#include "src/evaluate.h"
#include "src/options.h"
#include "src/session.h"

/* Runs the scripts of the command line in order, or standard input when there are none. */
int script_run(struct evaluator *evaluator, const struct options *options);

/* ERROR_USAGE or ERROR_PARTIAL when a file of --file cannot be opened: before a target is touched.
 */
struct error *script_check(const struct options *options) MUST_CHECK;

#endif
