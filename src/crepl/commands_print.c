/* Values by a format that is asked for. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/value_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error *print(struct crepl *crepl, char format, const struct expression_value *value)
{
    CLEANUP_FREE char *text = NULL, *line = NULL;
    struct shown shown = crepl_shown(crepl, value->type, value->address);
    shown.copied = true;
    shown.format = format;
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

struct error *command_print(struct crepl *crepl, const char *format, const char *arguments,
                            struct session_answer *ret)
{
    if (strlen(format) > 1 || (*format && !strchr(FORMAT_LETTERS, *format))) {
        answer_refuse(ret, "'%s' is no format; those of .p are the letters %s", format,
                      FORMAT_LETTERS);
        return NULL;
    }
    struct expression_value value;
    struct error *error = crepl_find_value(crepl, arguments, &value, ret);
    if (!error && ret->outcome == MANHOLE_DONE && value.type)
        error = print(crepl, *format, &value);
    free(value.type);
    return error;
}
