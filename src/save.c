#include "src/save.h"

#include "injector/cleanup.h"
#include "injector/snapshot_file.h"

struct error *save_open_target(pid_t pid, const struct dump_options *options, struct process **ret)
{
    if (options->load)
        return snapshot_file_read(options->load, ret);
    struct error *error = process_open(pid, ret);
    return error || !options->save ? error : process_record(*ret);
}

static ssize_t discard(void *cookie, const char *bytes, size_t size)
{
    (void)cookie, (void)bytes;
    return (ssize_t)size;
}

/* The forms ask the target as they print: each asks now what it will ask of the file. */
static struct error *print_all_forms(const struct report *report,
                                     const struct dump_options *options)
{
    CLEANUP_FCLOSE FILE *nowhere =
        fopencookie(NULL, "w", (cookie_io_functions_t){.write = discard});
    if (!nowhere)
        return error_no_memory();
    dump_text(report, options, nowhere, false);
    return dump_json(report, options, nowhere);
}

struct error *save_report(const struct report *report, const struct dump_options *options,
                          struct output *to)
{
    struct error *error = print_all_forms(report, options);
    return error ? error : snapshot_file_write(report->snapshot, to->file);
}
