/*
 * Text without the C library: formatting into buffers, numbers from text, and making what comes
 * from elsewhere safe for a terminal or a log.
 */
#ifndef PAYLOAD_TEXT_H
#define PAYLOAD_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Like vsnprintf: %s %.*s %.9s %c %d %u %x %p %% with width, '-' and '0', length l and z. Always
 * ends with NUL (size > 0); returns the bytes written without it: never more than size - 1.
 */
size_t text_vformat(char *buffer, size_t size, const char *format, va_list arguments);
size_t text_format(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool text_equal(const char *one, const char *other);
/* True when `text` begins with `prefix`. */
bool text_begins(const char *text, const char *prefix);
const char *text_find(const char *text, char c);
/* Copies at most size - 1 bytes and ends with NUL. */
void text_copy(char *to, size_t size, const char *from);
const char *text_base_name(const char *path);
bool text_is_blank(char c);
const char *text_skip_blanks(const char *text);

/*
 * A number as C writes it: 0x.., 0.., decimal, with a sign. Returns the character after it, or NULL
 * when there is none at `text` or it does not fit into 64 bits (then *overflow).
 */
const char *text_number(const char *text, uint64_t *ret, bool *overflow);

/*
 * Copies what is printable; control bytes (C0, DEL, and C1 in UTF-8) become \xNN. Stops when `to`
 * is full, never inside an escape. Returns the bytes written; *used says how many were taken.
 */
size_t text_sanitize(char *to, size_t size, const char *from, size_t length, size_t *used);

/* "SIGSEGV" and so on; "signal 42". `buffer` holds at least 16 bytes. */
const char *text_signal(int signal, char *buffer);
/* "USR1", "SIGUSR1", "10", "RTMIN+1", "RTMAX-1" (of all that the kernel has: 34 to 64): the number;
   0: there is none of that name. */
int text_signal_number(const char *name);
/* "ENOENT" and so on for the usual ones; "errno 97". `buffer` holds at least 16 bytes. */
const char *text_errno(int errnum, char *buffer);

#endif
