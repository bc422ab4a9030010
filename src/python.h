/*
 * The client's side of the Python console: the payload has Python evaluate what is typed, and this
 * end shows what came of it, as it does for C.
 */
#ifndef SRC_PYTHON_H
#define SRC_PYTHON_H

#include "src/crepl/crepl.h"

/*
 * Whether the process has a Python console; nothing of Python's is touched for that. In the answer:
 * MANHOLE_DONE; MANHOLE_UNKNOWN, there is no interpreter; MANHOLE_FAILED, there is one, and the
 * text says why there is no console. Errors: those of client_wait, within two seconds.
 */
struct error *python_probe(struct session *session, struct session_answer *ret) MUST_CHECK;

/* Shows the stacks of Python's threads and its banner. */
struct error *python_greet(struct session *session, struct session_answer *ret) MUST_CHECK;

/*
 * Evaluates one statement, as at a prompt (MANHOLE_INCOMPLETE: it goes on in the next line), or a
 * script of any number of them. *ret is the caller's in any case.
 */
struct error *python_evaluate(struct session *session, const char *text, bool is_script,
                              struct evaluated *ret) MUST_CHECK;

/* True when a line of a script begins with a command: no statement of Python begins with a dot. */
bool python_is_command(const char *line);

/* True when a line goes on with the statement before it, though it is not indented: "else:". */
bool python_continues(const char *line);

/* Where in a line the dotted name begins that ends it, in bytes. */
size_t python_word_start(const char *line);

#endif
