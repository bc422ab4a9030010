/*
 * A file of --save that somebody made up, as --load shows it: what comes from it reaches no
 * terminal raw, in none of the forms.
 *
 * Most of the program is built for this: `make check` leaves it out, and gives the corpus to the
 * program itself.
 */
// PARTS: src/deadlocks.c src/descriptors.c src/dump_*.c src/json_*.c src/layout.c src/lines.c
// src/locals.c PARTS: src/message.c src/python_*.c src/ranges.c src/report.c src/samples.c
// src/stack_tree.c src/sockets.c PARTS: src/symbol*.c src/syscall*.c src/types.c src/value*.c
// src/variables.c src/waits*.c
#include "src/dump.h"
#include "src/message.h"
#include "src/profile.h"
#include "src/samples.h"
#include "tests/fuzz/saved.h"

#include <json-c/json.h>

#define FRAMES_MAX 64

/* What was printed, and whether it is fit for a terminal. */
struct page {
    FILE *out;
    char *text;
    size_t size;
};

static void page_begin(struct page *page)
{
    *page = (struct page){0};
    page->out = open_memstream(&page->text, &page->size);
    if (!page->out)
        abort();
}

static void page_end(struct page *page)
{
    uint32_t character;
    if (fclose(page->out) || strlen(page->text) != page->size)
        abort();
    for (const char *at = page->text; *at;) {
        size_t length = message_utf8_length(at, &character);
        if (!length || (character != '\n' && message_is_control(character)))
            abort();
        at += length;
    }
}

static void print_text(const struct report *report, const struct dump_options *options)
{
    struct page page;
    page_begin(&page);
    dump_text(report, options, page.out, false);
    page_end(&page);
    free(page.text);
}

static void print_json(const struct report *report, const struct dump_options *options)
{
    struct page page;
    page_begin(&page);
    error_destroy(dump_json(report, options, page.out));
    page_end(&page);
    struct json_object *parsed = json_tokener_parse(page.text);
    if (!parsed)
        abort();
    json_object_put(parsed);
    free(page.text);
}

static void print_samples(struct process *process, struct report *report)
{
    struct samples *samples = NULL;
    struct page page;
    error_destroy(samples_create(process->pid, &samples));
    if (!samples)
        return;
    error_destroy(samples_add(samples, report));
    samples_sort(samples);
    const struct sampled sampled = {.process = process, .report = report, .samples = samples};
    struct error *(*const forms[])(const struct sampled *, size_t,
                                   FILE *) = {dump_folded, dump_speedscope, dump_svg};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        page_begin(&page);
        error_destroy(forms[i](&sampled, 1, page.out));
        page_end(&page);
        free(page.text);
    }
    samples_destroy(samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dump_options options;
    struct report *report = NULL;
    struct process *process = saved_open(data, size);
    options_set_dump_defaults(&options);
    options.locals = true;
    options.max_frames = FRAMES_MAX;
    if (process)
        error_destroy(report_create(process, &options, NULL, &report));
    if (report) {
        print_text(report, &options);
        print_json(report, &options);
        print_samples(process, report);
    }
    report_destroy(report);
    process_close(process);
    return 0;
}
