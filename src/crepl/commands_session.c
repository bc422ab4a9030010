/* Commands that change how this session evaluates. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/message.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error *command_readonly(struct crepl *crepl, const char *format, const char *arguments,
                               struct session_answer *ret)
{
    (void)format;
    if (*arguments) {
        answer_refuse(ret, "takes nothing: what only reads stays so until the session ends");
        return NULL;
    }
    crepl->session->read_only = true;
    crepl_write_line(crepl, "from here on what would write or call is refused");
    return NULL;
}

/* The one that does not work here is not taken. */
static struct error *change_compiler(struct crepl *crepl, enum compiler compiler,
                                     struct session_answer *ret)
{
    struct complaint complaint = {0};
    struct error *error =
        compiler == COMPILER_TCC ? NULL : compile_external_try(compiler, &complaint);
    if (error || complaint.failed) {
        if (!error)
            answer_refuse(ret, "%s; it goes on with %s", complaint.text,
                          compiler_name(crepl->compiler));
        return error;
    }
    crepl->compiler_changed |= compiler != crepl->compiler;
    crepl->compiler = compiler;
    declarer_pass_mixed(crepl->declarer, compiler != COMPILER_TCC);
    return NULL;
}

struct error *command_cc(struct crepl *crepl, const char *format, const char *arguments,
                         struct session_answer *ret)
{
    (void)format;
    size_t length = strcspn(arguments, " \t\n");
    enum compiler compiler;
    if (!*arguments) {
        crepl_write_line(crepl, compiler_name(crepl->compiler));
        return NULL;
    }
    if (!compiler_find(arguments, length, &compiler) ||
        arguments[length + strspn(arguments + length, " \t\n")]) {
        answer_refuse(ret, "takes one of gcc, clang and tcc, or nothing to say which it is");
        return NULL;
    }
    return change_compiler(crepl, compiler, ret);
}

struct error *command_frozen(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret)
{
    struct expression_value value;
    struct hold_report report = {0};
    if (!crepl_check_format(format, ret))
        return NULL;
    struct error *error = crepl_find_frozen(crepl, arguments, &value, &report, ret);
    if (report.pause_us)
        message_note("the %zu other threads stood for %.3g ms", report.threads,
                     (double)report.pause_us / 1000);
    if (!error && ret->outcome == MANHOLE_DONE && value.type)
        error = crepl_print(crepl, format, &value);
    free(value.type);
    return error;
}

struct error *command_load(struct crepl *crepl, const char *format, const char *arguments,
                           struct session_answer *ret)
{
    (void)format;
    CLEANUP_FREE char *path = strndup(arguments, strcspn(arguments, "\n")), *problem = NULL;
    if (!path)
        return error_no_memory();
    for (size_t length = strlen(path); length && strchr(" \t", path[length - 1]);)
        path[--length] = '\0';
    struct error *error = headers_load(&crepl->headers, path, &problem);
    if (!error && problem)
        answer_refuse(ret, "%s", problem);
    return error;
}

static bool is_thread(const struct process *process, pid_t tid)
{
    CLEANUP_FREE char *name = NULL;
    return tid > 0 && process_read_file(process, tid, "comm", &name) >= 0;
}

struct error *command_thread(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret)
{
    (void)format;
    char line[96], *end;
    long tid = strtol(arguments, &end, 10);
    if (*arguments && (end[strspn(end, " \t\n")] || tid < 0 || tid > INT_MAX ||
                       (tid && !is_thread(crepl->session->process, (pid_t)tid)))) {
        answer_refuse(ret,
                      "no thread of this process; .threads lists them, 0 is the session's own");
        return NULL;
    }
    if (*arguments)
        crepl->linkage.thread = (pid_t)tid;
    if (crepl->linkage.thread)
        snprintf(line, sizeof(line), "thread-local variables are those of thread %d",
                 crepl->linkage.thread);
    else
        snprintf(line, sizeof(line),
                 "thread-local variables are those of the session's own thread");
    crepl_write_line(crepl, line);
    return NULL;
}
