/* The command line, parsed and checked before any target is touched (DESIGN.md section 3). */
#ifndef SRC_OPTIONS_H
#define SRC_OPTIONS_H

#include "injector/error.h"
#include "src/options_install.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum verb {
    VERB_ATTACH, /* also --eval and --file */
    VERB_DUMP,
    VERB_INSTALL,
    VERB_UNINSTALL,
    VERB_CHECK,
    VERB_LIST,
    VERB_HELP,
    VERB_VERSION,
};

enum dump_format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_FOLDED,
    FORMAT_SPEEDSCOPE,
    FORMAT_SVG,
};

struct dump_options {
    enum dump_format format; /* of scripts too: text or json */
    bool no_inlines;
    bool no_source;
    bool raw_names;
    bool all_threads_listed;
    bool interpreter_frames; /* native frames that only run Python frames are not left out */
    bool locals;             /* arguments and local variables with their values */
    bool freeze;
    uint64_t max_pause_us; /* default 50,000 */
    size_t max_frames;     /* default 256; 0: no limit */
    size_t count;          /* how many samples; default 1 */
    uint64_t interval_us;  /* from one to the next; default 100,000 */
    const char *output;    /* -o FILE, or NULL: standard output */
    bool format_given;     /* --format was given, if only as what it is anyway */
    const char *save;      /* --save FILE, or NULL */
    const char *load;      /* --load FILE: instead of a process; or NULL */
};

/* One piece of code to run, from --eval or --file, in the order of the command line. */
struct script {
    bool is_file;
    const char *text; /* the code, or the path ("-": standard input) */
};

/* What the console speaks. */
enum language {
    LANGUAGE_BY_TARGET, /* Python where there is an interpreter, else C */
    LANGUAGE_C,
    LANGUAGE_PYTHON,
};

/* A target as the user named it. */
struct target {
    pid_t pid;               /* or 0: socket_path, or the process of --load */
    const char *socket_path; /* of a manhole somebody installed; contains a '/' */
};

struct options {
    enum verb verb;
    struct dump_options dump;
    struct install_options install;
    int signal; /* sent to wake the manhole that is there, none is installed; 0: none */
    uint64_t socket_wait_us; /* -t: how long to wait for a socket that is given by path; 0: not */
    bool clean;              /* --list --clean */
    bool read_only;          /* the console refuses what would write or call */
    enum language language;  /* of the console, to begin with */
    struct script *scripts;
    size_t script_count;
    struct target *targets;
    size_t target_count;
};

/* ERROR_USAGE with the next step in it. Strings point into argv. */
struct error *options_parse(int argc, char **argv, struct options *ret) MUST_CHECK;
void options_deinit(struct options *options);

/* The defaults of --dump, for a dump that no command line asked for. */
void options_set_dump_defaults(struct dump_options *options);

/* The text of --help, on standard output. */
void options_print_help(void);

#endif
