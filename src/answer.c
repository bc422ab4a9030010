#include "src/answer.h"

#include <stdio.h>
#include <string.h>

void answer_show_value(struct terminal *out, const struct evaluated *evaluated)
{
    if (!evaluated->value)
        return;
    char head[32];
    snprintf(head, sizeof(head), "$%zu = ", evaluated->number);
    terminal_write(out, head, strlen(head));
    terminal_write(out, evaluated->value, strlen(evaluated->value));
    terminal_write(out, "\n", 1);
}

const char *answer_reason(const struct session_answer *answer)
{
    if (*answer->text)
        return answer->text;
    switch (answer->outcome) {
    case MANHOLE_DONE:
        return "";
    case MANHOLE_FAULTED:
        return strsignal(answer->signal);
    case MANHOLE_UNKNOWN:
        return "no such command; 'help' lists them";
    case MANHOLE_INTERRUPTED:
        return "interrupted";
    default:
        return "failed";
    }
}
