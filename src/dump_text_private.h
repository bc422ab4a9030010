/* What the files that make up the text form share: dump_text.c (a look), dump_text_samples.c (what
   many looks add), dump_text_values.c (what --locals adds), dump_text_python.c, dump_goroutines.c.
   Nobody else includes this. */
#ifndef SRC_DUMP_TEXT_PRIVATE_H
#define SRC_DUMP_TEXT_PRIVATE_H

#include "src/base_name.h"
#include "src/dump.h"
#include "src/message.h"

#include <stdio.h>

#define TEXT_MAX 4096

struct palette {
    const char *head, *function, *source, *faint, *warning, *end;
};

struct printer {
    const struct report *report;
    const struct palette *colour;
    FILE *out;
};

/* Text of the target, made harmless for the terminal. */
static inline void print_foreign(const struct printer *printer, const char *text)
{
    char clean[TEXT_MAX];
    fputs(message_sanitize(text, clean, sizeof(clean)), printer->out);
}

/* The title of a paragraph, printf-like, with a newline behind it. */
void text_head(const struct printer *printer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One line for a frame, `number` from the innermost one on; a Python frame too. */
void text_frame(const struct printer *printer, size_t number, const struct report_frame *frame);

/* " at file:line" of a frame, where that is known. */
void text_source(const struct printer *printer, const struct location *location);

/* One line for a frame of Python code. */
void text_python_frame(const struct printer *printer, size_t number,
                       const struct report_frame *frame);

/* What is to be said of a thread's Python frames, below them: those that have no place among the
   others, and why they may not be true. */
void text_python_apart(const struct printer *printer, const struct report_thread *thread);

/* Why a Python program has no Python frames. */
void text_python_problem(const struct printer *printer);

/* One line for each variable of a frame; NULL: none. */
void text_values(const struct printer *printer, const struct frame_variables *values);

/* One line that begins with dots. */
void text_remark(const struct printer *printer, const char *text);

/* Zero for threads of one report whose samples may share one text. */
int text_samples_compare(const struct report_thread *a, const struct report_thread *b);

/*
 * What the samples say of a thread, below its head. True: its stack was the same in all, so that of
 * the last look is to follow. Prints nothing for a thread that was looked at once.
 */
bool text_samples_print(const struct printer *printer, const struct report_thread *thread);

/* The threads that were not there any more at the last look. */
void text_samples_print_ended(const struct printer *printer);

/* The last line. */
void text_samples_print_summary(const struct printer *printer);

#endif
