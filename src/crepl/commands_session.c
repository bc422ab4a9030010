/* Commands that change how this session evaluates. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/message.h"

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
