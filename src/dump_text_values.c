/* Arguments and local variables below their frame, in the text form. */
#include "src/dump_text_private.h"

void text_values(const struct printer *printer, const struct frame_variables *values)
{
    const struct palette *colour = printer->colour;
    for (size_t i = 0; values && i < values->count; i++) {
        const struct variable *variable = &values->variables[i];
        fprintf(printer->out, "        %s%s%s ", colour->faint,
                variable->argument ? "arg  " : "local", colour->end);
        print_foreign(printer, variable->name);
        fputs(" = ", printer->out);
        print_foreign(printer, variable->value);
        if (variable->live)
            fprintf(printer->out, " %s[read later]%s", colour->warning, colour->end);
        fputc('\n', printer->out);
    }
    if (values && values->cut)
        fprintf(printer->out, "        %s... more%s\n", colour->warning, colour->end);
}
