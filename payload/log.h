/*
 * The manhole's log: lines "Manhole[<pid>:<unix time>]: message", one write(2) each, to a
 * descriptor or a file of the program's choice; by default there is none. Only threads of ours log:
 * the program never waits for it, and a full pipe loses lines rather than stopping anybody.
 */
#ifndef PAYLOAD_LOG_H
#define PAYLOAD_LOG_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Opens the destination: `path` if not "", else a duplicate of `fd` if not negative, else none.
 * 0, or an errno with a line in `message`.
 */
int log_open(int fd, const char *path, char *message, size_t message_size);
void log_close(void);

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_vline(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* Where the log goes, for people. */
const char *log_destination(void);

#endif
