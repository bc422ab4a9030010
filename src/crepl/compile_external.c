#include "src/crepl/compile_external.h"

#include "injector/cleanup.h"
#include "src/crepl/link_object.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 20
#define MESSAGES_MAX 65536

static const char *const names[] = {"tcc", "gcc", "clang"};
#define COMPILER_COUNT (sizeof(names) / sizeof(names[0]))

const char *compiler_name(enum compiler compiler)
{
    return names[compiler];
}

bool compiler_find(const char *name, size_t length, enum compiler *ret)
{
    for (size_t i = 0; i < COMPILER_COUNT; i++) {
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            *ret = (enum compiler)i;
            return true;
        }
    }
    return false;
}

static void fail(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct complaint *complaint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complaint->failed = true;
    vsnprintf(complaint->text, sizeof(complaint->text), format, arguments);
    va_end(arguments);
}

/* --- Its files. --- */

struct workplace {
    char directory[PATH_MAX]; /* "": there is none */
    int source, messages;
};

static void leave_workplace(struct workplace *workplace)
{
    CLEANUP_CLOSEDIR DIR *directory = *workplace->directory ? opendir(workplace->directory) : NULL;
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        (void)unlinkat(dirfd(directory), entry->d_name, 0); /* "." and ".." stay */
    if (*workplace->directory)
        (void)rmdir(workplace->directory);
    if (workplace->source >= 0)
        close(workplace->source);
    if (workplace->messages >= 0)
        close(workplace->messages);
}
#define CLEANUP_WORKPLACE __attribute__((cleanup(leave_workplace)))

static bool make_directory(struct workplace *workplace, struct complaint *complaint)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent)
        parent = "/tmp";
    int length = snprintf(workplace->directory, sizeof(workplace->directory),
                          "%s/manhole-attach.XXXXXX", parent);
    bool fits = length > 0 && (size_t)length < sizeof(workplace->directory);
    if (fits && mkdtemp(workplace->directory)) /* mode 0700 */
        return true;
    fail(complaint, "no directory for the compiler's files in %.300s: %s", parent,
         strerror(fits ? errno : ENAMETOOLONG));
    *workplace->directory = '\0';
    return false;
}

static bool write_source(int fd, const char *source)
{
    size_t length = strlen(source);
    return fd >= 0 && write(fd, source, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0;
}

static bool make_workplace(struct workplace *workplace, const char *source,
                           struct complaint *complaint)
{
    workplace->source = memfd_create("source", MFD_CLOEXEC);
    workplace->messages = memfd_create("messages", MFD_CLOEXEC);
    if (write_source(workplace->source, source) && workplace->messages >= 0)
        return make_directory(workplace, complaint);
    fail(complaint, "the compiler cannot be given its source: %s", strerror(errno));
    return false;
}

/* --- The process. --- */

/*
 * The code is far from all that it calls. What the compiler must not do: put in calls of its own
 * for those that were typed, checks, tables and symbols that nothing here provides. Later standards
 * read "long f();" otherwise; later compilers take conversions for errors that libtcc warns of.
 */
#define OPTIONS                                                                            \
    "-x", "c", "-", "-c", "-std=gnu17", "-O0", "-mcmodel=large", "-fno-pic", "-fno-pie",   \
        "-fno-builtin", "-fno-common", "-fgnu89-inline", "-fno-omit-frame-pointer",        \
        "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", \
        "-fno-exceptions", "-nostdinc", "-pipe", "-fdiagnostics-color=never",              \
        "-Wno-error=int-conversion", "-Wno-error=incompatible-pointer-types"

/* Exit statuses that no compiler has. */
#define EXIT_NOT_THERE 127
#define EXIT_NOT_RUN 126

static _Noreturn void become(const char *name, const struct workplace *workplace,
                             bool ignores_const)
{
    char object[PATH_MAX + sizeof("/object")];
    snprintf(object, sizeof(object), "%s/object", workplace->directory);
    const char *const arguments[] = {name, OPTIONS, "-o", object, ignores_const ? "-Dconst=" : NULL,
                                     NULL};
    sigset_t none;
    sigemptyset(&none);
    /* All that it starts ends with it: a group of its own. The alarm outlives execve(2). */
    if (setpgid(0, 0) == 0 && dup2(workplace->source, STDIN_FILENO) >= 0 &&
        dup2(workplace->messages, STDOUT_FILENO) >= 0 &&
        dup2(workplace->messages, STDERR_FILENO) >= 0 && setenv("LC_ALL", "C", 1) == 0 &&
        setenv("TMPDIR", workplace->directory, 1) == 0 && signal(SIGALRM, SIG_DFL) != SIG_ERR &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        alarm(SECONDS_MAX);
        execvp(name, (char *const *)arguments);
    }
    _exit(errno == ENOENT ? EXIT_NOT_THERE : EXIT_NOT_RUN);
}

/* Its exit status as waitpid(2) has it; -1: there was no process for it. */
static int run(const char *name, const struct workplace *workplace, bool ignores_const)
{
    int status = -1;
    siginfo_t ended;
    pid_t child = fork();
    if (child == 0)
        become(name, workplace, ignores_const);
    if (child < 0)
        return -1;
    while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        continue;
    /* Until it is waited for, its id is that of no other group. */
    (void)kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* --- What it says. --- */

/* "input:3:5: error: text [-Wsome]"; false: not such a line. */
static bool read_message(char *message, struct complaint *ret)
{
    char *kind = strstr(message, "error: "), *warning = strstr(message, "warning: ");
    *ret = (struct complaint){.failed = kind && (!warning || kind < warning)};
    if (!ret->failed)
        kind = warning;
    if (!kind)
        return false;
    char *option = strstr(kind, " [-W");
    if (option)
        *option = '\0';
    snprintf(ret->text, sizeof(ret->text), "%s", strchr(kind, ' ') + 1);
    if (sscanf(message, COMPILE_USER_FILE ":%d:%d: ", &ret->line, &ret->column) < 1)
        ret->line = 0;
    return true;
}

/* The first error of the user's own lines, or the first one at all; or the first warning of these
   lines. */
static void take_messages(char *text, struct complaint *complaint)
{
    char *position = NULL;
    for (char *line = strtok_r(text, "\n", &position); line;
         line = strtok_r(NULL, "\n", &position)) {
        struct complaint one;
        if (read_message(line, &one) && (one.failed || one.line) &&
            (!*complaint->text || one.failed > complaint->failed ||
             (one.failed == complaint->failed && one.line && !complaint->line)))
            *complaint = one;
    }
}

static void judge(const char *name, int status, char *messages, struct complaint *complaint)
{
    size_t first = strcspn(messages, "\n");
    char said[256];
    snprintf(said, sizeof(said), "%.*s", (int)first, messages);
    take_messages(messages, complaint);
    if (status < 0)
        fail(complaint, "no process for %s: %s", name, strerror(errno));
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fail(complaint, "%s has not come to an end within %d seconds", name, SECONDS_MAX);
    else if (WIFSIGNALED(status))
        fail(complaint, "%s was ended by signal %d", name, WTERMSIG(status));
    else if (WEXITSTATUS(status) == EXIT_NOT_THERE)
        fail(complaint, "%s is not installed: that takes the package %s", name, name);
    else if (WEXITSTATUS(status) == EXIT_NOT_RUN)
        fail(complaint, "%s cannot be run", name);
    else if (status && strstr(said, "cannot execute 'as'"))
        fail(complaint, "%s has no assembler: that takes the package binutils", name);
    else if (status && !complaint->failed)
        fail(complaint, "%s does not work here: %s", name, said);
}

static struct error *read_messages(int fd, char **ret)
{
    *ret = calloc(1, MESSAGES_MAX);
    if (!*ret)
        return error_no_memory();
    if (pread(fd, *ret, MESSAGES_MAX - 1, 0) < 0)
        **ret = '\0';
    return NULL;
}

/* --- All together. --- */

static struct error *link_result(const struct workplace *workplace,
                                 const struct compile_input *input, struct complaint *complaint,
                                 struct compiled *ret)
{
    char path[PATH_MAX + sizeof("/object")];
    snprintf(path, sizeof(path), "%s/object", workplace->directory);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return link_object(fd, input, complaint, ret);
    fail(complaint, "the compiler has left no code: %s", strerror(errno));
    return NULL;
}

static struct error *compile(const char *name, const char *source,
                             const struct compile_input *input, struct complaint *complaint,
                             struct compiled *ret)
{
    CLEANUP_WORKPLACE struct workplace workplace = {.source = -1, .messages = -1};
    CLEANUP_FREE char *messages = NULL;
    if (!make_workplace(&workplace, source, complaint))
        return NULL;
    int status = run(name, &workplace, input->ignores_const);
    struct error *error = read_messages(workplace.messages, &messages);
    if (error)
        return error;
    judge(name, status, messages, complaint);
    return complaint->failed ? NULL : link_result(&workplace, input, complaint, ret);
}

struct error *compile_external(enum compiler compiler, const struct compile_input *input,
                               struct complaint *complaint, struct compiled *ret)
{
    CLEANUP_FREE char *whole = NULL;
    sigset_t ending, before;
    *complaint = (struct complaint){0};
    *ret = (struct compiled){0};
    if (asprintf(&whole, "%s\n#line 1 \"manhole\"\n%s", input->source, compile_runtime) < 0) {
        whole = NULL;
        return error_no_memory();
    }
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, &before);
    struct error *error = compile(names[compiler], whole, input, complaint, ret);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (error || complaint->failed)
        compiled_deinit(ret);
    return error;
}

struct error *compile_external_try(enum compiler compiler, struct complaint *complaint)
{
    const struct compile_input input = {.source = "int manhole_try;", .address = UINT64_C(1) << 20};
    struct compiled compiled;
    struct error *error = compile_external(compiler, &input, complaint, &compiled);
    if (!error)
        compiled_deinit(&compiled);
    return error;
}
