/* Messages to the user on standard error: "manhole-attach: what: why", one line each. */
#ifndef SRC_MESSAGE_H
#define SRC_MESSAGE_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prints and destroys an error; returns its exit status. */
int message_error(struct error *error);

/* A note that is no error ("listening on ..."). */
void message_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Copies text that came from the target with control characters replaced by '?' (names, paths), so
 * that no escape sequence of it reaches the terminal. Returns buffer.
 */
char *message_sanitize(const char *text, char *buffer, size_t size);

/*
 * The length in bytes of the UTF-8 character at `text` (not at its terminating NUL) and the
 * character itself; 0 when the bytes there are none (RFC 3629: no overlong form, no surrogate).
 */
size_t message_utf8_length(const char *text, uint32_t *ret);

/* True for what steers a terminal: control characters (C0, DEL, C1), and those that turn the
   direction of the text around them. */
bool message_is_control(uint32_t character);

/* Colours are for a terminal, and not with NO_COLOR set or TERM=dumb. */
bool message_colour_wanted(int fd);

#endif
