/* What Python programs add to the text: src/python_frames.h. */
#include "src/dump_text_private.h"

#include <string.h>

void text_python_frame(const struct printer *printer, size_t number,
                       const struct report_frame *frame)
{
    const struct palette *colour = printer->colour;
    const struct location *location = &frame->location;
    fprintf(printer->out, "  %s#%-2zu%s %s", colour->faint, number, colour->end, colour->function);
    print_foreign(printer, location->function);
    fputs(colour->end, printer->out);
    text_source(printer, location);
    fprintf(printer->out, " %s[python]%s\n", colour->faint, colour->end);
}

void text_python_apart(const struct printer *printer, const struct report_thread *thread)
{
    const struct report_python *python = thread->python;
    char text[160];
    if (!python)
        return;
    if (thread->folded_count) {
        snprintf(text, sizeof(text),
                 "%zu frame%s of the interpreter left out: --interpreter-frames shows %s",
                 thread->folded_count, thread->folded_count == 1 ? "" : "s",
                 thread->folded_count == 1 ? "it" : "them");
        text_remark(printer, text);
    }
    if (python->apart_count) {
        text_remark(printer, "Python frames whose place among these is not known:");
        for (size_t i = 0; i < python->apart_count; i++) {
            text_python_frame(printer, i, &python->apart[i]);
            text_values(printer, python->apart[i].values);
        }
    }
    if (python->problem)
        text_remark(printer, python->problem);
}

void text_python_problem(const struct printer *printer)
{
    const struct report *report = printer->report;
    if (report->python && report->python->problem[0]) {
        text_remark(printer, report->python->problem);
        text_remark(printer, "so its Python frames are not shown, only native ones");
    } else if (report->python_threads_problem) {
        text_remark(printer, report->python_threads_problem);
        text_remark(printer, "so Python frames of some threads may be missing");
    } else {
        return;
    }
    fputc('\n', printer->out);
}
