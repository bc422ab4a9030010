/* Values by a format that is asked for. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/value_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error *crepl_print(struct crepl *crepl, const char *format,
                          const struct expression_value *value)
{
    CLEANUP_FREE char *text = NULL, *line = NULL;
    struct shown shown = crepl_shown(crepl, value->type, value->address);
    shown.copied = true;
    shown.format = *format;
    size_t number = results_add(&crepl->results, value->type, value->address);
    struct error *error = number ? show_value(&shown, &text) : error_no_memory();
    if (error)
        return error;
    if (asprintf(&line, "$%zu = %s", number, text) < 0) {
        line = NULL;
        return error_no_memory();
    }
    crepl_write_line(crepl, line);
    return NULL;
}

bool crepl_check_format(const char *format, struct session_answer *answer)
{
    if (strlen(format) <= 1 && (!*format || strchr(FORMAT_LETTERS, *format)))
        return true;
    answer_refuse(answer, "'%s' is no format; it is one of the letters %s", format, FORMAT_LETTERS);
    return false;
}

struct error *command_print(struct crepl *crepl, const char *format, const char *arguments,
                            struct session_answer *ret)
{
    if (!crepl_check_format(format, ret))
        return NULL;
    struct expression_value value;
    struct error *error = crepl_find_value(crepl, arguments, &value, ret);
    if (!error && ret->outcome == MANHOLE_DONE && value.type)
        error = crepl_print(crepl, format, &value);
    free(value.type);
    return error;
}
