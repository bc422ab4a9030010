/* manhole-attach --dump PID...: what every thread is doing, without disturbing any. */
#include "src/dump.h"

#include "src/message.h"
#include "src/output.h"

#include <stdio.h>
#include <unistd.h>

static struct error *print_report(const struct report *report, const struct dump_options *options,
                                  FILE *out, bool colour)
{
    if (options->format == FORMAT_JSON)
        return dump_json(report, options, out);
    dump_text(report, options, out, colour);
    return NULL;
}

static struct error *dump_process(pid_t pid, const struct dump_options *options, FILE *out,
                                  bool colour, bool *partial)
{
    CLEANUP_PROCESS struct process *process = NULL;
    struct error *error = process_open(pid, &process);
    if (error)
        return error;
    CLEANUP_REPORT struct report *report = NULL;
    error = report_create(process, options, NULL, &report);
    if (error)
        return error;
    *partial = report->partial;
    return print_report(report, options, out, colour);
}

/* One failed among several is "done in part"; where all failed alike the status says how. */
static int combine(int status, int next, bool first)
{
    if (first || status == next)
        return next;
    return ERROR_PARTIAL;
}

static int dump_targets(const struct options *options, struct output *output, bool *any)
{
    bool colour = !output->path && message_colour_wanted(STDOUT_FILENO);
    int status = 0;
    for (size_t i = 0; i < options->target_count; i++) {
        bool partial = false;
        if (*any && options->dump.format == FORMAT_TEXT)
            fputc('\n', output->file);
        struct error *error =
            dump_process(options->targets[i].pid, &options->dump, output->file, colour, &partial);
        if (!error)
            *any = true;
        int one = error ? message_error(error) : partial ? ERROR_PARTIAL : 0;
        status = combine(status, one, i == 0);
    }
    return status;
}

int dump_run(const struct options *options)
{
    struct output output;
    struct error *error = output_open(options->dump.output, &output);
    if (error)
        return message_error(error);

    bool any = false, broken_pipe = false;
    int status = dump_targets(options, &output, &any);
    /* Nothing to show: a file that stands there from before stays. */
    if (!any)
        output_discard(&output);
    else
        error = output_close(&output, &broken_pipe);
    if (error)
        return message_error(error);
    return broken_pipe ? ERROR_PARTIAL : status;
}

struct error *dump_stacks(struct process *process, FILE *out, bool colour)
{
    struct dump_options options;
    options_set_dump_defaults(&options);
    CLEANUP_REPORT struct report *report = NULL;
    struct error *error = report_create(process, &options, NULL, &report);
    if (error)
        return error;
    dump_text(report, &options, out, colour);
    return NULL;
}
