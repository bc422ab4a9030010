#include "src/crepl/preprocess.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <libtcc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 10
#define OUTPUT_MAX (32u << 20)
#define MESSAGE_MAX 512

/* --- In the process of its own. --- */

static void write_message(void *context, const char *message)
{
    dprintf(*(int *)context, "%s\n", message);
}

static int compile(const char *source, int output_type, int *messages)
{
    TCCState *state = tcc_new();
    if (!state)
        return -1;
    tcc_set_error_func(state, messages, write_message);
    tcc_set_options(state, "-P1");
    tcc_set_output_type(state, output_type);
    int result = tcc_compile_string(state, source);
    tcc_delete(state);
    return result;
}

/* First as a whole: its messages name file and line. */
_Noreturn static void work(const char *path, int output, int messages)
{
    char source[4096 + 32];
    int length = snprintf(source, sizeof(source), "#include \"%s\"\n", path);
    alarm(SECONDS_MAX);
    if (length < 0 || (size_t)length >= sizeof(source) || dup2(output, STDOUT_FILENO) < 0 ||
        compile(source, TCC_OUTPUT_MEMORY, &messages) < 0 ||
        compile(source, TCC_OUTPUT_PREPROCESS, &messages) < 0 || fflush(stdout) != 0)
        _exit(1);
    _exit(0);
}

/* --- Outside. --- */

static struct error *read_all(int fd, size_t limit, char **ret)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_create(ERROR_PARTIAL, errno, "fstat: %s", strerror(errno));
    size_t size = (size_t)status.st_size < limit ? (size_t)status.st_size : limit;
    *ret = calloc(1, size + 1);
    if (!*ret)
        return error_no_memory();
    if (pread(fd, *ret, size, 0) == (ssize_t)size)
        return NULL;
    free(*ret);
    *ret = NULL;
    return error_create(ERROR_PARTIAL, errno, "pread: %s", strerror(errno));
}

/* The first line that names an error, or another one. */
static struct error *take_problem(const char *path, int messages, char **problem)
{
    CLEANUP_FREE char *text = NULL;
    struct error *error = read_all(messages, MESSAGE_MAX, &text);
    if (error)
        return error;
    char *failure = strstr(text, ": error: ");
    char *line = failure ? failure : text;
    while (line > text && line[-1] != '\n')
        line--;
    line[strcspn(line, "\n")] = '\0';
    int length = *line ? asprintf(problem, "%s", line)
                       : asprintf(problem, "%s: it could not be preprocessed within %d seconds",
                                  path, SECONDS_MAX);
    return length < 0 ? error_no_memory() : NULL;
}

struct error *header_preprocess(const char *path, char **ret, char **problem)
{
    CLEANUP_CLOSE int output = memfd_create("header", MFD_CLOEXEC);
    CLEANUP_CLOSE int messages = memfd_create("messages", MFD_CLOEXEC);
    int status = -1;
    if (strpbrk(path, "\"\\\n"))
        return asprintf(problem, "%s: a name that #include does not take", path) < 0
                   ? error_no_memory()
                   : NULL;
    if (output < 0 || messages < 0)
        return error_create(ERROR_PARTIAL, errno, "memfd_create: %s", strerror(errno));
    fflush(stdout); /* or the other process would write it too */
    pid_t child = fork();
    if (child == 0)
        work(path, output, messages);
    if (child < 0)
        return error_create(ERROR_PARTIAL, errno, "no process for the preprocessor: %s",
                            strerror(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? read_all(output, OUTPUT_MAX, ret)
                                                         : take_problem(path, messages, problem);
}
