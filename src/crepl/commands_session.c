/* Commands that change how this session evaluates. */
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"

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
