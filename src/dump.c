/* manhole-attach --dump PID...: what every thread is doing, without disturbing any. */
#include "src/dump.h"

#include "src/message.h"
#include "src/output.h"
#include "src/profile.h"
#include "src/sampler.h"
#include "src/save.h"

#include <stdio.h>
#include <unistd.h>

/* Where the reports go, one after another. */
struct page {
    const struct dump_options *options;
    struct output output;
    bool colour;
    bool any;            /* something stands on it */
    struct output saved; /* --save; path NULL: nothing is */
};

static struct error *print_report(struct page *page, const struct report *report)
{
    if (page->options->format == FORMAT_JSON)
        return dump_json(report, page->options, page->output.file);
    if (page->any)
        fputc('\n', page->output.file);
    dump_text(report, page->options, page->output.file, page->colour);
    return NULL;
}

/* Who saves and asks for no form wants the file alone. */
static bool is_shown(const struct dump_options *options)
{
    return !options->save || options->output || options->format_given;
}

static struct error *dump_process(pid_t pid, struct page *page, bool *partial)
{
    const struct dump_options *options = page->options;
    CLEANUP_PROCESS struct process *process = NULL;
    struct error *error = save_open_target(pid, options, &process);
    if (error)
        return error;
    CLEANUP_REPORT struct report *report = NULL;
    error = report_create(process, options, NULL, &report);
    if (error)
        return error;
    *partial = report->partial;
    if (is_shown(options))
        error = print_report(page, report);
    if (!error && options->save)
        error = save_report(report, options, &page->saved);
    return error;
}

/* One failed among several is "done in part"; where all failed alike the status says how. */
static int combine(int status, int next, bool first)
{
    if (first || status == next)
        return next;
    return ERROR_PARTIAL;
}

/* One look at each target, printed before the next is looked at. */
static int dump_once(const struct options *options, struct page *page)
{
    int status = 0;
    for (size_t i = 0; i < options->target_count; i++) {
        bool partial = false;
        struct error *error = dump_process(options->targets[i].pid, page, &partial);
        if (!error)
            page->any = true;
        int one = error ? message_error(error) : partial ? ERROR_PARTIAL : 0;
        status = combine(status, one, i == 0);
    }
    return status;
}

static struct error *print_form(const struct sampled *sampled, size_t count, struct page *page)
{
    switch (page->options->format) {
    case FORMAT_FOLDED:
        return dump_folded(sampled, count, page->output.file);
    case FORMAT_SPEEDSCOPE:
        return dump_speedscope(sampled, count, page->output.file);
    default:
        return dump_svg(sampled, count, page->output.file);
    }
}

/* The forms that show all targets in one picture. */
static struct error *print_profile(const struct sampled *sampled, size_t count, struct page *page)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= sampled[i].samples != NULL;
    if (!any)
        return NULL;
    struct error *error = print_form(sampled, count, page);
    page->any = !error;
    return error;
}

static bool is_profile(const struct dump_options *options)
{
    return options->format != FORMAT_TEXT && options->format != FORMAT_JSON;
}

/* The forms that show each target by itself. */
static struct error *print_reports(const struct sampled *sampled, size_t count, struct page *page)
{
    for (size_t i = 0; i < count; i++) {
        if (!sampled[i].report)
            continue;
        struct error *error = print_report(page, sampled[i].report);
        if (error)
            return error;
        page->any = true;
    }
    return NULL;
}

/* Looks first, as often as wanted, and prints then. */
static int dump_samples(const struct options *options, struct page *page)
{
    struct sampled *sampled;
    struct error *error = sampler_run(options, &sampled);
    if (error)
        return message_error(error);
    int status = 0;
    for (size_t i = 0; i < options->target_count; i++)
        status = combine(status, sampled[i].status, i == 0);
    error = is_profile(page->options) ? print_profile(sampled, options->target_count, page)
                                      : print_reports(sampled, options->target_count, page);
    if (!error && options->dump.save && sampled[0].report)
        error = save_report(sampled[0].report, &options->dump, &page->saved);
    sampler_destroy(sampled, options->target_count);
    return error ? message_error(error) : status;
}

static struct error *open_page(const struct dump_options *options, struct page *ret)
{
    *ret = (struct page){.options = options};
    struct error *error = output_open(options->output, &ret->output);
    if (error || !options->save)
        return error;
    error = output_open_private(options->save, &ret->saved);
    if (error)
        output_discard(&ret->output);
    return error;
}

static struct error *close_page(struct page *page, bool *broken_pipe)
{
    struct error *error = NULL;
    if (page->any && page->saved.path)
        error = output_close(&page->saved, NULL);
    /* Nothing to show: a file that stands there from before stays. */
    if (page->any && !error)
        return output_close(&page->output, broken_pipe);
    output_discard(&page->output);
    output_discard(&page->saved);
    return error;
}

int dump_run(const struct options *options)
{
    struct page page;
    struct error *error = open_page(&options->dump, &page);
    if (error)
        return message_error(error);
    page.colour = !page.output.path && message_colour_wanted(STDOUT_FILENO);

    bool broken_pipe = false;
    int status = options->dump.count > 1 || is_profile(&options->dump)
                     ? dump_samples(options, &page)
                     : dump_once(options, &page);
    error = close_page(&page, &broken_pipe);
    if (error)
        return message_error(error);
    if (page.any && !is_shown(&options->dump))
        message_note("saved in %s; 'manhole-attach --dump --load' shows it", options->dump.save);
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
