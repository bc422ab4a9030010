#include "src/answer.h"

#include "src/message.h"
#include "src/value_colours.h"

#include <stdlib.h>
#include <string.h>

/* Of a long line: so much of it, and at most so much of that before the place. */
#define SHOWN_MAX 100
#define SHOWN_BEFORE 60

void answer_show_value(struct terminal *out, const struct evaluated *evaluated, bool colour)
{
    if (!evaluated->value)
        return;
    if (evaluated->number)
        fprintf(out->out, "%s$%zu%s = ", colour ? COLOUR_NAME : "", evaluated->number,
                colour ? COLOUR_END : "");
    if (colour && evaluated->number)
        value_colours_write(out, evaluated->value);
    else
        terminal_write(out, evaluated->value, strlen(evaluated->value));
    terminal_write(out, "\n", 1);
}

bool answer_show_traceback(FILE *out, const struct evaluated *evaluated)
{
    if (!evaluated->traceback)
        return false;
    struct terminal terminal;
    terminal_init(&terminal, out);
    terminal_write(&terminal, evaluated->traceback, strlen(evaluated->traceback));
    terminal_end_line(&terminal);
    return true;
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

const char *answer_where(const struct text_place *place, int first, bool is_numbered,
                         char buffer[ANSWER_WHERE_BYTES])
{
    *buffer = '\0';
    if (place->line && is_numbered)
        snprintf(buffer, ANSWER_WHERE_BYTES, "%sline %d: ", place->is_near ? "near " : "",
                 first + place->line - 1);
    return buffer;
}

/* A line of a text, or as much of it as is shown. */
struct shown_line {
    const char *start;
    int length;
    size_t column; /* bytes from there to the place */
    bool is_cut;   /* at its start */
};

static void find_line(const char *text, const struct text_place *place, struct shown_line *ret)
{
    *ret = (struct shown_line){.start = text};
    for (int line = 1; line < place->line && strchr(ret->start, '\n'); line++)
        ret->start = strchr(ret->start, '\n') + 1;
    size_t length = strcspn(ret->start, "\n");
    ret->column = place->length ? (size_t)(text + place->start - ret->start) : 0;
    ret->is_cut = ret->column > SHOWN_BEFORE && length > SHOWN_MAX;
    size_t left_out = ret->is_cut ? ret->column - SHOWN_BEFORE : 0;
    ret->start += left_out;
    ret->column -= left_out;
    ret->length = (int)(length - left_out < SHOWN_MAX ? length - left_out : SHOWN_MAX);
}

/* How wide other characters are the terminal alone knows: no caret rather than a wrong one. */
static bool is_narrow(const struct shown_line *line)
{
    for (size_t i = 0; i < line->column; i++)
        if ((unsigned char)line->start[i] >= 0x80)
            return false;
    return true;
}

static void show_caret(FILE *out, const struct shown_line *line, size_t length, bool colour)
{
    size_t room = SHOWN_MAX + 1 - line->column;
    fprintf(out, "  %s%*s%s^", line->is_cut ? "..." : "", (int)line->column, "",
            colour ? COLOUR_ERROR : "");
    for (size_t i = 1; i < length && i < room; i++)
        fputc('~', out);
    fprintf(out, "%s\n", colour ? COLOUR_END : "");
}

void answer_show_place(FILE *out, const char *text, const struct text_place *place, bool colour)
{
    char raw[SHOWN_MAX + 1], clean[SHOWN_MAX + 1];
    struct shown_line line;
    if (!place->line || (!place->length && !strchr(text, '\n')))
        return;
    find_line(text, place, &line);
    snprintf(raw, sizeof(raw), "%.*s", line.length, line.start);
    for (char *c = raw; *c; c++)
        if (*c == '\t')
            *c = ' ';
    fprintf(out, "  %s%s\n", line.is_cut ? "..." : "", message_sanitize(raw, clean, sizeof(clean)));
    if (place->length && is_narrow(&line))
        show_caret(out, &line, place->length, colour);
}

void answer_show_stack(FILE *out, const struct code_stack *stack)
{
    char clean[512];
    size_t next;
    for (size_t i = 0; stack->count > 1 && i < stack->count; i = next) {
        for (next = i + 1; next < stack->count; next++)
            if (strcmp(stack->frames[next], stack->frames[i]) != 0)
                break;
        message_sanitize(stack->frames[i], clean, sizeof(clean));
        if (next - i > 1)
            fprintf(out, "  #%-2zu %s, %zu times\n", i, clean, next - i);
        else
            fprintf(out, "  #%-2zu %s\n", i, clean);
    }
}
