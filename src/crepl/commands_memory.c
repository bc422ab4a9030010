/* Memory as it is, by address: `x` of gdb, without its instructions. */
#include "injector/cleanup.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/type_text.h"
#include "src/value_writer.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Units in one command. */
#define COUNT_MAX 65536
/* The longest line: a string with all its characters escaped. */
#define LINE_MAX_BYTES 8192
#define UNITS "bhwg"

struct dump {
    struct crepl *crepl;
    struct session_answer *answer;
    struct value_thread thread;
    struct value_frame frame;
    uint64_t count; /* units that are left */
};

/* Units that have one line, by their letter; of strings one. */
static unsigned units_in_line(const struct examined *examined)
{
    if (examined->format == 's')
        return 1;
    return examined->unit == 'w' ? 4 : examined->unit == 'g' ? 2 : 8;
}

static size_t unit_size(char unit)
{
    return (size_t)1 << (strchr(UNITS, unit) - UNITS);
}

/* The unit of a format that was asked for without one. */
static char usual_unit(char format, char last)
{
    switch (format) {
    case 'a':
        return 'g';
    case 'c':
        return 'b';
    case 'f':
        return last == 'w' ? 'w' : 'g';
    default:
        return last;
    }
}

/* "4xw": a number, and letters in any order. False: it is none, which the answer says. */
static bool parse(const char *text, struct examined *examined, uint64_t *count,
                  struct session_answer *answer)
{
    const char *at = text;
    char format = '\0', unit = '\0';
    if (isdigit((unsigned char)*at))
        *count = strtoull(at, (char **)&at, 10);
    for (; *at; at++) {
        if (strchr(UNITS, *at) && !unit)
            unit = *at;
        else if (strchr(FORMAT_LETTERS, *at) && !format)
            format = *at;
        else
            break;
    }
    if (*at || *count > COUNT_MAX) {
        answer_refuse(answer,
                      "'%s' is no format of .x: a number up to %u, a letter of %s, a unit of %s",
                      text, COUNT_MAX, FORMAT_LETTERS, UNITS);
        return false;
    }
    if (format)
        examined->format = format;
    examined->unit = unit ? unit : usual_unit(format, examined->unit);
    return true;
}

static void add_unit(struct writer *writer, const struct examined *examined, const uint8_t *bytes)
{
    const struct formatted formatted = {
        .bytes = bytes, .size = unit_size(examined->unit), .is_signed = true, .is_padded = true};
    writer->format = examined->format;
    writer_add_formatted(writer, &formatted);
}

/* Writes one unit and goes on behind it; false: it cannot be read. */
static bool examine(struct dump *dump, struct writer *writer, struct examined *examined)
{
    uint8_t bytes[sizeof(uint64_t)];
    uint64_t size = 0;
    if (examined->format == 's') {
        writer_add(writer, "\t");
        size = writer_add_string_at(writer, &encoding_char, examined->next);
    } else if (value_frame_read(&dump->frame, examined->next, bytes, unit_size(examined->unit))) {
        size = unit_size(examined->unit);
        writer_add(writer, "\t");
        add_unit(writer, examined, bytes);
    }
    examined->next += size;
    return size;
}

/* Returns how many units there were; fewer than wanted: the next cannot be read. */
static unsigned write_units(struct dump *dump, unsigned wanted)
{
    char line[LINE_MAX_BYTES];
    struct writer writer;
    struct examined *examined = &dump->crepl->examined;
    unsigned count = 0;
    value_begin(&dump->thread);
    writer_init(&writer, &dump->frame, dump->crepl->symbols, VALUE_ON_ONE_LINE, line, sizeof(line));
    writer_add_address(&writer, NULL, examined->next);
    writer_add(&writer, ":");
    while (count < wanted && examine(dump, &writer, examined))
        count++;
    writer_end(&writer);
    if (count)
        crepl_write_line(dump->crepl, line);
    return count;
}

static void write_lines(struct dump *dump)
{
    struct examined *examined = &dump->crepl->examined;
    while (dump->count) {
        unsigned wanted = units_in_line(examined);
        if (wanted > dump->count)
            wanted = (unsigned)dump->count;
        unsigned count = write_units(dump, wanted);
        dump->count -= count;
        if (count < wanted) {
            answer_refuse(dump->answer, "memory at 0x%" PRIx64 " cannot be read", examined->next);
            return;
        }
    }
}

static bool is_address(struct crepl *crepl, const char *text)
{
    static const char *const others[] = {"struct ", "union ",      "float",
                                         "double",  "long double", "void"};
    struct type_text *type;
    if (!type_text_parse(text, crepl->declarer, &type))
        return false;
    bool good = true;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        good &=
            type->kind != TYPE_TEXT_BASE || strncmp(type->name, others[i], strlen(others[i])) != 0;
    type_text_destroy(type);
    return good;
}

/* A pointer's value, an array's place, a number. */
static struct error *find_address(struct crepl *crepl, const char *expression, uint64_t *address,
                                  struct session_answer *ret)
{
    CLEANUP_FREE char *text = NULL, *type = NULL;
    struct expression_value value;
    struct error *wrong = crepl_find_type(crepl, expression, true, &type, ret);
    if (wrong || ret->outcome != MANHOLE_DONE)
        return wrong;
    if (!is_address(crepl, type)) {
        answer_refuse(ret, "'%s' is no address: '&' in front of a variable gives it", type);
        return NULL;
    }
    if (asprintf(&text, "(unsigned long)(%s)", expression) < 0) {
        text = NULL;
        return error_no_memory();
    }
    struct error *error = crepl_find_value(crepl, text, &value, ret);
    bool found = !error && ret->outcome == MANHOLE_DONE && value.type;
    free(value.type);
    if (found && remote_read(crepl->session->process, value.address, address, sizeof(*address)) !=
                     sizeof(*address))
        answer_refuse(ret, "the value cannot be read: is the process still there?");
    return error;
}

struct error *command_examine(struct crepl *crepl, const char *format, const char *arguments,
                              struct session_answer *ret)
{
    struct dump dump = {.crepl = crepl,
                        .answer = ret,
                        .thread = {.process = crepl->session->process, .modules = crepl->modules}};
    struct examined examined = crepl->examined;
    struct error *error = NULL;
    bool goes_on = examined.format;
    if (!goes_on)
        examined = (struct examined){.format = 'x', .unit = 'w'};
    /* Alone it does the same again, behind it. */
    dump.count = goes_on && !*format && !*arguments ? examined.count : 1;
    if (!parse(format, &examined, &dump.count, ret))
        return NULL;
    examined.count = dump.count;
    if (*arguments)
        error = find_address(crepl, arguments, &examined.next, ret);
    else if (!goes_on)
        answer_refuse(ret, "nothing was examined before: give an address");
    if (error || ret->outcome != MANHOLE_DONE || ret->ended || ret->left)
        return error;
    dump.frame.thread = &dump.thread;
    crepl->examined = examined;
    write_lines(&dump);
    return NULL;
}
