#include "src/options.h"

#include "src/options_parse.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_PAUSE_US (UINT64_C(50) * US_PER_MS)
#define DEFAULT_MAX_FRAMES 256
#define DEFAULT_INTERVAL_US (UINT64_C(100) * US_PER_MS)
#define LARGEST_COUNT 1000000
#define LONGEST_INTERVAL_US (UINT64_C(3600) * US_PER_S)
#define LONGEST_MAX_PAUSE_US (UINT64_C(60) * US_PER_S)
/* How long manhole-cli waits for the socket, if not told. */
#define DEFAULT_WAKE_TIMEOUT_US (UINT64_C(1) * US_PER_S)
#define LONGEST_TIMEOUT_US (UINT64_C(3600) * US_PER_S)
/* The kernel's own bound on pids of a 64-bit machine (PID_MAX_LIMIT, linux/threads.h). */
#define LARGEST_PID 4194304

/* Codes of the long options: above every character, in one range per group. */
enum option_code {
    CODE_VERBS = 256,
    CODE_DUMP = CODE_VERBS,
    CODE_INSTALL,
    CODE_UNINSTALL,
    CODE_CHECK,
    CODE_LIST,
    CODE_HELP,
    CODE_VERSION,

    CODE_DUMP_OPTIONS,
    CODE_FORMAT = CODE_DUMP_OPTIONS,
    CODE_NO_INLINES,
    CODE_NO_SOURCE,
    CODE_RAW_NAMES,
    CODE_ALL_THREADS_LISTED,
    CODE_LOCALS,
    CODE_INTERPRETER_FRAMES,
    CODE_FREEZE,
    CODE_MAX_PAUSE,
    CODE_MAX_FRAMES,
    CODE_COUNT,
    CODE_INTERVAL,
    CODE_OUTPUT,
    CODE_SAVE,
    CODE_LOAD,

    CODE_INSTALL_OPTIONS,
    CODE_TIMEOUT = CODE_INSTALL_OPTIONS + INSTALL_CONNECTION_HANDLER + 1,

    CODE_SCRIPTS,
    CODE_EVAL = CODE_SCRIPTS,
    CODE_FILE,

    CODE_CLEAN,
    CODE_SIGNAL,
    CODE_READ_ONLY,
    CODE_LANGUAGE,
};

#define INSTALL_CODE(option) (CODE_INSTALL_OPTIONS + INSTALL_##option)

static const struct option long_options[] = {
    {"dump", no_argument, NULL, CODE_DUMP},
    {"install", no_argument, NULL, CODE_INSTALL},
    {"uninstall", no_argument, NULL, CODE_UNINSTALL},
    {"check", no_argument, NULL, CODE_CHECK},
    {"list", no_argument, NULL, CODE_LIST},
    {"clean", no_argument, NULL, CODE_CLEAN},
    {"signal", required_argument, NULL, CODE_SIGNAL},
    {"help", no_argument, NULL, CODE_HELP},
    {"version", no_argument, NULL, CODE_VERSION},
    {"format", required_argument, NULL, CODE_FORMAT},
    {"no-inlines", no_argument, NULL, CODE_NO_INLINES},
    {"no-source", no_argument, NULL, CODE_NO_SOURCE},
    {"raw-names", no_argument, NULL, CODE_RAW_NAMES},
    {"all-threads-listed", no_argument, NULL, CODE_ALL_THREADS_LISTED},
    {"locals", no_argument, NULL, CODE_LOCALS},
    {"interpreter-frames", no_argument, NULL, CODE_INTERPRETER_FRAMES},
    {"freeze", no_argument, NULL, CODE_FREEZE},
    {"max-pause", required_argument, NULL, CODE_MAX_PAUSE},
    {"max-frames", required_argument, NULL, CODE_MAX_FRAMES},
    {"count", required_argument, NULL, CODE_COUNT},
    {"interval", required_argument, NULL, CODE_INTERVAL},
    {"save", required_argument, NULL, CODE_SAVE},
    {"load", required_argument, NULL, CODE_LOAD},
    {"quiet", no_argument, NULL, INSTALL_CODE(QUIET)},
    {"verbose-destination", required_argument, NULL, INSTALL_CODE(VERBOSE_DESTINATION)},
    {"replace", no_argument, NULL, INSTALL_CODE(REPLACE)},
    {"no-patch-fork", no_argument, NULL, INSTALL_CODE(NO_PATCH_FORK)},
    {"activate-on", required_argument, NULL, INSTALL_CODE(ACTIVATE_ON)},
    {"oneshot-on", required_argument, NULL, INSTALL_CODE(ONESHOT_ON)},
    {"no-thread", no_argument, NULL, INSTALL_CODE(NO_THREAD)},
    {"sigmask", required_argument, NULL, INSTALL_CODE(SIGMASK)},
    {"socket-path", required_argument, NULL, INSTALL_CODE(SOCKET_PATH)},
    {"reinstall-delay", required_argument, NULL, INSTALL_CODE(REINSTALL_DELAY)},
    {"start-timeout", required_argument, NULL, INSTALL_CODE(START_TIMEOUT)},
    {"local", required_argument, NULL, INSTALL_CODE(LOCAL)},
    {"daemon-connection", no_argument, NULL, INSTALL_CODE(DAEMON_CONNECTION)},
    {"no-redirect-stderr", no_argument, NULL, INSTALL_CODE(NO_REDIRECT_STDERR)},
    {"redirect", no_argument, NULL, INSTALL_CODE(REDIRECT)},
    {"connection-handler", required_argument, NULL, INSTALL_CODE(CONNECTION_HANDLER)},
    {"timeout", required_argument, NULL, CODE_TIMEOUT},
    {"read-only", no_argument, NULL, CODE_READ_ONLY},
    {"lang", required_argument, NULL, CODE_LANGUAGE},
    {"eval", required_argument, NULL, CODE_EVAL},
    {"file", required_argument, NULL, CODE_FILE},
    {NULL, 0, NULL, 0},
};

/* What was given (option codes, 0: none of the group), to find conflicts once everything is read.
 */
struct given {
    int verb, dump_option, install_option, timeout, script;
    int max_pause; /* of --dump, and of the console */
    int format;    /* of --dump, --list, and scripts */
    bool count, interval;
    int live_option; /* of a dump: one that makes sense only with a process that is there */
};

static const char *option_name(int code)
{
    for (const struct option *option = long_options; option->name; option++) {
        if (option->val == code)
            return option->name;
    }
    return "";
}

static struct error *parse_format(const char *text, enum dump_format *ret)
{
    static const char *const names[] = {
        [FORMAT_TEXT] = "text",     [FORMAT_JSON] = "json",
        [FORMAT_FOLDED] = "folded", [FORMAT_SPEEDSCOPE] = "speedscope",
        [FORMAT_SVG] = "svg",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum dump_format)i;
            return NULL;
        }
    }
    return error_create(
        ERROR_USAGE, 0,
        "--format %s: unknown, it is text, json, folded, speedscope or svg" TRY_HELP, text);
}

static struct error *parse_count(const char *text, size_t *ret)
{
    if (parse_is_number(text) && strlen(text) <= 9) {
        *ret = strtoul(text, NULL, 10);
        if (*ret >= 1 && *ret <= LARGEST_COUNT)
            return NULL;
    }
    return error_create(ERROR_USAGE, 0,
                        "--count %s: give a number of samples, from 1 to %d" TRY_HELP, text,
                        LARGEST_COUNT);
}

static struct error *parse_interval(const char *text, uint64_t *ret)
{
    if (parse_decimal(text, US_PER_MS, LONGEST_INTERVAL_US, ret))
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "--interval %s: give milliseconds, more than 0 and at most %d" TRY_HELP,
                        text, (int)(LONGEST_INTERVAL_US / US_PER_MS));
}

static struct error *parse_max_frames(const char *text, size_t *ret)
{
    if (!parse_is_number(text) || strlen(text) > 9)
        return error_create(ERROR_USAGE, 0,
                            "--max-frames %s: give a number of frames, 0 for no limit" TRY_HELP,
                            text);
    *ret = strtoul(text, NULL, 10);
    return NULL;
}

static struct error *add_script(struct options *options, bool is_file, const char *text)
{
    struct script *scripts =
        realloc(options->scripts, (options->script_count + 1) * sizeof(*scripts));
    if (!scripts)
        return error_no_memory();
    options->scripts = scripts;
    scripts[options->script_count++] = (struct script){.is_file = is_file, .text = text};
    return NULL;
}

static struct error *take_verb(int code, struct options *options, struct given *given)
{
    static const enum verb verbs[] = {VERB_DUMP, VERB_INSTALL, VERB_UNINSTALL, VERB_CHECK,
                                      VERB_LIST, VERB_HELP,    VERB_VERSION};

    /* Who asks for help gets it, whatever else stands there. */
    if (given->verb == CODE_HELP)
        return NULL;
    if (given->verb && given->verb != code && code != CODE_HELP)
        return error_create(ERROR_USAGE, 0, "--%s and --%s: one thing at a time" TRY_HELP,
                            option_name(given->verb), option_name(code));
    options->verb = verbs[code - CODE_VERBS];
    given->verb = code;
    return NULL;
}

static struct error *take_file(int code, const char *value, const char **ret)
{
    *ret = value;
    if (*value)
        return NULL;
    return error_create(ERROR_USAGE, 0, "%s%s: the name of the file is empty" TRY_HELP,
                        code == CODE_OUTPUT ? "-" : "--",
                        code == CODE_OUTPUT ? "o" : option_name(code));
}

static struct error *take_dump_option(int code, const char *value, struct dump_options *dump)
{
    switch (code) {
    case CODE_FORMAT:
        dump->format_given = true;
        return parse_format(value, &dump->format);
    case CODE_NO_INLINES:
        dump->no_inlines = true;
        return NULL;
    case CODE_NO_SOURCE:
        dump->no_source = true;
        return NULL;
    case CODE_RAW_NAMES:
        dump->raw_names = true;
        return NULL;
    case CODE_ALL_THREADS_LISTED:
        dump->all_threads_listed = true;
        return NULL;
    case CODE_LOCALS:
        dump->locals = true;
        return NULL;
    case CODE_INTERPRETER_FRAMES:
        dump->interpreter_frames = true;
        return NULL;
    case CODE_FREEZE:
        dump->freeze = true;
        return NULL;
    case CODE_MAX_PAUSE:
        if (parse_decimal(value, US_PER_MS, LONGEST_MAX_PAUSE_US, &dump->max_pause_us))
            return NULL;
        return error_create(
            ERROR_USAGE, 0,
            "--max-pause %s: give milliseconds, more than 0 and at most %d" TRY_HELP, value,
            (int)(LONGEST_MAX_PAUSE_US / US_PER_MS));
    case CODE_MAX_FRAMES:
        return parse_max_frames(value, &dump->max_frames);
    case CODE_COUNT:
        return parse_count(value, &dump->count);
    case CODE_INTERVAL:
        return parse_interval(value, &dump->interval_us);
    case CODE_SAVE:
        return take_file(code, value, &dump->save);
    case CODE_LOAD:
        return take_file(code, value, &dump->load);
    default:
        return take_file(code, value, &dump->output);
    }
}

static bool is_live_option(int code)
{
    return code == CODE_FREEZE || code == CODE_MAX_PAUSE || code == CODE_COUNT ||
           code == CODE_INTERVAL || code == CODE_SAVE;
}

static struct error *parse_timeout(const char *text, uint64_t *ret)
{
    if (parse_decimal(text, US_PER_S, LONGEST_TIMEOUT_US, ret))
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "--timeout %s: give seconds, more than 0 and at most %d" TRY_HELP, text,
                        (int)(LONGEST_TIMEOUT_US / US_PER_S));
}

static struct error *parse_language(const char *text, enum language *ret)
{
    *ret = strcmp(text, "python") == 0 ? LANGUAGE_PYTHON : LANGUAGE_C;
    if (*ret == LANGUAGE_PYTHON || strcmp(text, "c") == 0)
        return NULL;
    return error_create(ERROR_USAGE, 0, "--lang %s: unknown, it is c or python" TRY_HELP, text);
}

static struct error *take_signal(const char *text, int *ret)
{
    int before = *ret;
    struct error *error = options_take_signal("--signal", text, ret);
    if (!error && before && before != *ret)
        error = error_create(ERROR_USAGE, 0, "two signals: one at a time" TRY_HELP);
    return error;
}

static struct error *take_option(int code, const char *value, struct options *options,
                                 struct given *given)
{
    if (code < CODE_DUMP_OPTIONS)
        return take_verb(code, options, given);
    if (code < CODE_INSTALL_OPTIONS) {
        *(code == CODE_FORMAT      ? &given->format
          : code == CODE_MAX_PAUSE ? &given->max_pause
                                   : &given->dump_option) = code;
        given->count |= code == CODE_COUNT;
        given->interval |= code == CODE_INTERVAL;
        if (is_live_option(code))
            given->live_option = code;
        return take_dump_option(code, value, &options->dump);
    }
    if (code < CODE_TIMEOUT) {
        given->install_option = code;
        return options_take_install((enum install_option)(code - CODE_INSTALL_OPTIONS), value,
                                    &options->install);
    }
    if (code == CODE_TIMEOUT) {
        given->timeout = code;
        return parse_timeout(value, &options->install.timeout_us);
    }
    if (code == CODE_CLEAN) {
        options->clean = true;
        return NULL;
    }
    if (code == CODE_READ_ONLY) {
        options->read_only = true;
        return NULL;
    }
    if (code == CODE_LANGUAGE)
        return parse_language(value, &options->language);
    if (code == CODE_SIGNAL)
        return take_signal(value, &options->signal);
    given->script = code;
    return add_script(options, code == CODE_FILE, value);
}

/* The short options, some of them manhole-cli's: -USR1 is -U with its value. */
#define SHORT_OPTIONS ":o:s:t:U:12"

static struct error *take_short_option(int code, char **argv, struct options *options,
                                       struct given *given)
{
    switch (code) {
    case 'o':
        return take_option(CODE_OUTPUT, optarg, options, given);
    case 's':
        return take_option(CODE_SIGNAL, optarg, options, given);
    case 't':
        return take_option(CODE_TIMEOUT, optarg, options, given);
    case '1':
    case '2':
        return take_option(CODE_SIGNAL, code == '1' ? "USR1" : "USR2", options, given);
    default:
        if (optarg == argv[optind - 1] || (strcmp(optarg, "SR1") && strcmp(optarg, "SR2")))
            return error_create(ERROR_USAGE, 0,
                                "unknown option -U; give a signal as -USR1, -USR2, or with -s or "
                                "--signal" TRY_HELP);
        return take_option(CODE_SIGNAL, optarg - 1, options, given);
    }
}

/* A negative number looks like an option to getopt. */
static const char *find_negative_number(char **argv, int digit)
{
    for (char **word = argv + 1; *word; word++) {
        if ((*word)[0] == '-' && (*word)[1] == digit)
            return *word;
    }
    return "-";
}

/* getopt_long returned '?' or ':' for the option `code`; 0 is an unknown long one. */
static struct error *explain_bad_option(int returned, int code, char **argv)
{
    if (returned == ':' && code < CODE_VERBS)
        return error_create(ERROR_USAGE, 0, "-%c: its value is missing" TRY_HELP, code);
    if (returned == ':')
        return error_create(ERROR_USAGE, 0, "--%s: its value is missing" TRY_HELP,
                            option_name(code));
    if (code >= CODE_VERBS)
        return error_create(ERROR_USAGE, 0, "--%s takes no value" TRY_HELP, option_name(code));
    if (code >= '0' && code <= '9')
        return error_create(ERROR_USAGE, 0,
                            "'%s' is no process id: it is a positive number" TRY_HELP,
                            find_negative_number(argv, code));
    if (code)
        return error_create(ERROR_USAGE, 0, "unknown option -%c" TRY_HELP, code);
    return error_create(ERROR_USAGE, 0, "unknown option %s" TRY_HELP, argv[optind - 1]);
}

static struct error *parse_target(const char *text, struct target *ret)
{
    *ret = (struct target){0};
    if (strchr(text, '/')) {
        ret->socket_path = text;
        return NULL;
    }
    const char *digits = text + strspn(text, "0");
    if (!parse_is_number(text) || !*digits)
        return error_create(ERROR_USAGE, 0,
                            "'%s' is no process id: it is a positive number" TRY_HELP, text);
    unsigned long pid = strlen(digits) > 10 ? ULONG_MAX : strtoul(digits, NULL, 10);
    if (pid > LARGEST_PID)
        return error_create(ERROR_NO_PROCESS, 0,
                            "no such process: %s; the largest process id that Linux gives is %d",
                            text, LARGEST_PID);
    ret->pid = (pid_t)pid;
    return NULL;
}

/* One without an id: the process is in the file. */
static struct error *add_saved_target(struct options *options)
{
    options->targets = calloc(1, sizeof(*options->targets));
    if (!options->targets)
        return error_no_memory();
    options->target_count = 1;
    return NULL;
}

static struct error *parse_targets(int count, char **words, struct options *options)
{
    if (count == 0 && options->dump.load)
        return add_saved_target(options);
    if (count == 0)
        return NULL;
    options->targets = calloc((size_t)count, sizeof(*options->targets));
    if (!options->targets)
        return error_no_memory();
    for (int i = 0; i < count; i++) {
        struct error *error = parse_target(words[i], &options->targets[i]);
        if (error)
            return error;
        options->target_count++;
    }
    return NULL;
}

/* A saved process takes the place of a live one. */
static struct error *check_save_and_load(const struct options *options, const struct given *given)
{
    const struct dump_options *dump = &options->dump;
    if (dump->save && options->target_count > 1)
        return error_create(ERROR_USAGE, 0, "--save: one process id at a time" TRY_HELP);
    if (dump->save && given->count)
        return error_create(ERROR_USAGE, 0, "--save saves one look, not --count of them" TRY_HELP);
    if (!dump->load)
        return NULL;
    if (options->target_count > 1 || options->targets[0].pid || options->targets[0].socket_path)
        return error_create(ERROR_USAGE, 0,
                            "--load takes no process id: the process is in the file" TRY_HELP);
    if (given->live_option)
        return error_create(
            ERROR_USAGE, 0,
            "--%s: nothing can be done to a process that was saved (--load)" TRY_HELP,
            option_name(given->live_option));
    return NULL;
}

static struct error *check_targets(const struct options *options)
{
    if (options->verb == VERB_LIST) {
        if (options->target_count > 0)
            return error_create(ERROR_USAGE, 0, "--list takes no process id" TRY_HELP);
        return NULL;
    }
    if (options->target_count == 0)
        return error_create(ERROR_USAGE, 0, "which process? Give its id (PID)" TRY_HELP);
    if (options->target_count > 1 && options->verb != VERB_DUMP)
        return error_create(ERROR_USAGE, 0, "one process id at a time, except for --dump" TRY_HELP);
    if (options->signal && options->targets[0].socket_path)
        return error_create(ERROR_USAGE, 0,
                            "'%s' is no process id, which is what a signal is sent to" TRY_HELP,
                            options->targets[0].socket_path);
    if (options->verb == VERB_ATTACH || options->verb == VERB_UNINSTALL)
        return NULL;
    for (size_t i = 0; i < options->target_count; i++) {
        if (options->targets[i].socket_path)
            return error_create(ERROR_USAGE, 0,
                                "'%s' is no process id; the path of a socket does only for "
                                "attaching, --eval, --file and --uninstall" TRY_HELP,
                                options->targets[i].socket_path);
    }
    return NULL;
}

/* --format: all there are of dumps; text or json of the list, and of the answers of scripts. */
static struct error *check_format(const struct options *options, const struct given *given)
{
    bool list = options->verb == VERB_LIST;
    if (!given->format || options->verb == VERB_DUMP)
        return NULL;
    if (!list && options->verb != VERB_ATTACH)
        return error_create(ERROR_USAGE, 0,
                            "--format is an option of --dump, --list, --eval and --file" TRY_HELP);
    if (options->dump.format != FORMAT_TEXT && options->dump.format != FORMAT_JSON)
        return error_create(ERROR_USAGE, 0, "%s text or json, no other format" TRY_HELP,
                            list ? "--list prints" : "--eval and --file print");
    return NULL;
}

/* -s: of a manhole that is there already. */
static struct error *check_signal(const struct options *options, const struct given *given)
{
    if (!options->signal)
        return NULL;
    if (options->verb != VERB_ATTACH)
        return error_create(ERROR_USAGE, 0, "--signal is no option of --%s" TRY_HELP,
                            option_name(given->verb));
    if (given->install_option)
        return error_create(ERROR_USAGE, 0,
                            "--signal wakes a manhole that is installed; --%s is an option of "
                            "installing one" TRY_HELP,
                            option_name(given->install_option));
    return NULL;
}

static struct error *check_language(const struct options *options, const char *verb)
{
    if (options->language != LANGUAGE_BY_TARGET && options->verb != VERB_ATTACH)
        return error_create(ERROR_USAGE, 0,
                            "--lang is an option of the console, not of --%s" TRY_HELP, verb);
    if (options->language == LANGUAGE_PYTHON && options->read_only)
        return error_create(ERROR_USAGE, 0,
                            "--lang python and --read-only: Python could do anything" TRY_HELP);
    return NULL;
}

static struct error *check_together(const struct options *options, const struct given *given)
{
    const char *verb = option_name(given->verb);
    if (given->dump_option == CODE_OUTPUT && options->verb != VERB_DUMP)
        return error_create(ERROR_USAGE, 0, "-o is an option of --dump" TRY_HELP);
    if (given->dump_option && options->verb != VERB_DUMP)
        return error_create(ERROR_USAGE, 0, "--%s is an option of --dump" TRY_HELP,
                            option_name(given->dump_option));
    if (given->interval && !given->count)
        return error_create(ERROR_USAGE, 0,
                            "--interval: say with --count how many samples to take" TRY_HELP);
    if (given->script && options->verb != VERB_ATTACH)
        return error_create(ERROR_USAGE, 0, "--%s and --%s: one thing at a time" TRY_HELP,
                            option_name(given->script), verb);
    if (given->max_pause && options->verb != VERB_DUMP && options->verb != VERB_ATTACH)
        return error_create(
            ERROR_USAGE, 0,
            "--max-pause is an option of --dump and the console, not of --%s" TRY_HELP, verb);
    if (options->read_only && options->verb != VERB_ATTACH)
        return error_create(ERROR_USAGE, 0,
                            "--read-only is an option of the console, not of --%s" TRY_HELP, verb);
    struct error *error = check_language(options, verb);
    if (error)
        return error;
    bool installs = options->verb == VERB_ATTACH || options->verb == VERB_INSTALL;
    if (given->install_option && !installs)
        return error_create(ERROR_USAGE, 0, "--%s is an option of installing, not of --%s" TRY_HELP,
                            option_name(given->install_option), verb);
    if (given->timeout && !installs && options->verb != VERB_UNINSTALL)
        return error_create(ERROR_USAGE, 0, "--timeout is no option of --%s" TRY_HELP, verb);
    if (options->clean && options->verb != VERB_LIST)
        return error_create(ERROR_USAGE, 0, "--clean is an option of --list" TRY_HELP);
    error = check_format(options, given);
    if (!error)
        error = check_signal(options, given);
    return error ? error : options_check_install(&options->install);
}

void options_set_dump_defaults(struct dump_options *options)
{
    *options = (struct dump_options){
        .max_pause_us = DEFAULT_MAX_PAUSE_US,
        .max_frames = DEFAULT_MAX_FRAMES,
        .count = 1,
        .interval_us = DEFAULT_INTERVAL_US,
    };
}

static void set_defaults(struct options *options)
{
    *options = (struct options){.verb = VERB_ATTACH};
    options_set_install_defaults(&options->install);
    options_set_dump_defaults(&options->dump);
}

static struct error *parse(int argc, char **argv, struct options *options)
{
    struct given given = {0};
    opterr = 0;
    optind = 1;
    int code;
    while ((code = getopt_long(argc, argv, SHORT_OPTIONS, long_options, NULL)) != -1) {
        if (code == '?' || code == ':')
            return explain_bad_option(code, optopt, argv);
        struct error *error = code < CODE_VERBS ? take_short_option(code, argv, options, &given)
                                                : take_option(code, optarg, options, &given);
        if (error)
            return error;
    }
    options->socket_wait_us = given.timeout ? options->install.timeout_us : 0;
    if (options->signal && !given.timeout)
        options->install.timeout_us = DEFAULT_WAKE_TIMEOUT_US;
    if (options->verb == VERB_HELP || options->verb == VERB_VERSION)
        return NULL;
    struct error *error = check_together(options, &given);
    if (!error)
        error = parse_targets(argc - optind, argv + optind, options);
    if (!error)
        error = check_save_and_load(options, &given);
    return error ? error : check_targets(options);
}

struct error *options_parse(int argc, char **argv, struct options *ret)
{
    set_defaults(ret);
    struct error *error = parse(argc, argv, ret);
    if (error)
        options_deinit(ret);
    return error;
}

void options_deinit(struct options *options)
{
    options_deinit_install(&options->install);
    free(options->scripts);
    free(options->targets);
    options->scripts = NULL;
    options->targets = NULL;
}
