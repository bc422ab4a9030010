#include "src/python.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/python_gil.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The manhole looks into its process for functions, no more. */
#define PROBE_US 2000000

/* Who has the lock, which can be seen from here only. */
static void tell_holder(const struct session *session, struct session_answer *answer)
{
    char holder[700] = "";
    if (session->process)
        python_gil_describe(session->process, holder, sizeof(holder));
    size_t used = strlen(answer->text);
    if (*holder)
        snprintf(answer->text + used, sizeof(answer->text) - used, ": %s", holder);
}

static struct error *ask(struct session *session, enum manhole_python_mode mode, const char *text,
                         struct session_answer *ret)
{
    const struct manhole_python head = {
        .mode = mode,
        .flags = MANHOLE_PYTHON_VALUE | (session->read_line ? MANHOLE_PYTHON_INPUT : 0),
    };
    size_t size = sizeof(head) + strlen(text);
    CLEANUP_FREE char *request = malloc(size);
    *ret = (struct session_answer){0};
    if (!request)
        return error_no_memory();
    memcpy(request, &head, sizeof(head));
    memcpy(request + sizeof(head), text, size - sizeof(head));
    struct error *error = session_request(session, MANHOLE_PYTHON, request, size, NULL, NULL, ret);
    terminal_end_line(session->out);
    if (!error && ret->outcome == MANHOLE_NO_GIL && !ret->ended && !ret->left)
        tell_holder(session, ret);
    return error;
}

struct error *python_probe(struct session *session, struct session_answer *ret)
{
    const struct manhole_python head = {.mode = MANHOLE_PYTHON_PROBE};
    deadline_t deadline = deadline_after_us(PROBE_US);
    uint32_t id;
    struct client_frame frame = {0};
    *ret = (struct session_answer){.outcome = MANHOLE_UNKNOWN};
    struct error *error = client_send(session->client, MANHOLE_PYTHON, &head, sizeof(head), &id);
    while (!error && !(frame.type == MANHOLE_RESULT && frame.id == id))
        error = client_wait(session->client, deadline, &frame);
    if (!error)
        session_take_result(&frame, ret);
    return error;
}

struct error *python_greet(struct session *session, struct session_answer *ret)
{
    return ask(session, MANHOLE_PYTHON_GREET, "", ret);
}

/* The parts of a value: its type, NUL, its text. */
static bool take_value(const struct session_parts *parts, struct evaluated *ret)
{
    if (!parts->value)
        return true;
    size_t length = strnlen(parts->value, parts->value_size);
    const char *text = parts->value + length + 1;
    ret->type = strdup(parts->value);
    ret->value = strndup(length < parts->value_size ? text : "", parts->value_size);
    return ret->type && ret->value;
}

struct error *python_evaluate(struct session *session, const char *text, bool is_script,
                              struct evaluated *ret)
{
    struct session_parts parts = {0};
    *ret = (struct evaluated){0};
    session->parts = &parts;
    struct error *error = ask(session, is_script ? MANHOLE_PYTHON_SCRIPT : MANHOLE_PYTHON_STATEMENT,
                              text, &ret->answer);
    session->parts = NULL;
    if (!error && !take_value(&parts, ret))
        error = error_no_memory();
    ret->traceback = parts.traceback;
    free(parts.value);
    return error;
}

bool python_is_command(const char *line)
{
    return *line == '.' && isalpha((unsigned char)line[1]);
}

bool python_continues(const char *line)
{
    static const char *const words[] = {"else", "elif", "except", "finally"};
    if (!*line || *line == ' ' || *line == '\t' || *line == '#')
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strlen(words[i]);
        if (strncmp(line, words[i], length) == 0 && !isalnum((unsigned char)line[length]) &&
            line[length] != '_')
            return true;
    }
    return false;
}

size_t python_word_start(const char *line)
{
    size_t start = strlen(line);
    while (start && (isalnum((unsigned char)line[start - 1]) || line[start - 1] == '_' ||
                     line[start - 1] == '.' || (unsigned char)line[start - 1] >= 0x80))
        start--;
    return start;
}
