/* manhole-attach: the command line, then the verb it names. */
#include "injector/bus_guard.h"
#include "src/dump.h"
#include "src/message.h"
#include "src/options.h"
#include "src/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * A descriptor that we open must never become 0, 1 or 2 because the caller closed those: messages
 * would be written into it. Read-only, so that output which goes nowhere is noticed.
 */
static void hold_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/*
 * A target may have mapped more files than the usual limit of 1,024 lets us open; what we could not
 * open would go without names. We may raise it to the hard limit (getrlimit(2)).
 */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* refused: then it stays as it was */
    }
}

static int run(const struct options *options)
{
    switch (options->verb) {
    case VERB_ATTACH:
        return attach_run(options);
    case VERB_DUMP:
        return dump_run(options);
    case VERB_INSTALL:
        return install_run(options);
    case VERB_UNINSTALL:
        return uninstall_run(options);
    case VERB_CHECK:
        return check_run(options);
    case VERB_LIST:
        return list_run(options);
    case VERB_HELP:
        options_print_help();
        return 0;
    case VERB_VERSION:
        puts("manhole-attach " MANHOLE_VERSION_TEXT);
        return 0;
    }
    return ERROR_USAGE;
}

/* What is still in the buffer of standard output may fail to be written only now. */
static int flush_output(int status)
{
    bool failed = ferror(stdout);
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    if (errno != EPIPE)
        message_note("standard output: %s; not everything was written",
                     errno ? strerror(errno) : "a write failed");
    return status ? status : ERROR_PARTIAL;
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    bus_guard_install();
    raise_descriptor_limit();
    setlocale(LC_CTYPE, "");

    struct options options;
    struct error *error = options_parse(argc, argv, &options);
    if (error)
        return message_error(error);
    int status = run(&options);
    options_deinit(&options);
    return flush_output(status);
}
