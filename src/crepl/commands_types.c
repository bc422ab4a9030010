/* Commands about types. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"

#include <stdio.h>
#include <stdlib.h>

struct error *command_sizeof(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret)
{
    (void)format;
    CLEANUP_FREE char *expression = NULL;
    if (asprintf(&expression, "sizeof(%s)", arguments) < 0) {
        expression = NULL;
        return error_no_memory();
    }
    struct expression_value value;
    CLEANUP_FREE char *text = NULL;
    struct error *error = crepl_find_value(crepl, expression, &value, ret);
    if (!error && ret->outcome == MANHOLE_DONE)
        error = crepl_describe(crepl, value.type, value.address, &text);
    if (text)
        crepl_write_line(crepl, text);
    free(value.type);
    return error;
}
