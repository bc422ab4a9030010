#include "src/json_answers.h"

#include "src/answer.h"
#include "src/json_values.h"
#include "src/signal_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Of the output of one text: a loop that prints without end would take all memory. */
#define OUTPUT_MAX ((size_t)16 << 20)

static bool make_room(struct json_answers *answers, size_t size)
{
    if (answers->size + size < answers->capacity)
        return true;
    size_t capacity = 2 * (answers->size + size) + 4096;
    char *output = realloc(answers->output, capacity);
    if (!output)
        return false;
    answers->output = output;
    answers->capacity = capacity;
    return true;
}

/* For fopencookie(3): all of it counts as written. */
static ssize_t collect(void *cookie, const char *bytes, size_t size)
{
    struct json_answers *answers = cookie;
    size_t taken = size;
    if (taken > OUTPUT_MAX - answers->size)
        taken = OUTPUT_MAX - answers->size;
    if (!make_room(answers, taken))
        taken = 0;
    answers->cut |= taken < size;
    if (taken)
        memcpy(answers->output + answers->size, bytes, taken);
    answers->size += taken;
    return (ssize_t)size;
}

struct error *json_answers_init(struct json_answers *answers, struct session *session)
{
    static const cookie_io_functions_t functions = {.write = collect};
    *answers = (struct json_answers){0};
    FILE *out = make_room(answers, 0) ? fopencookie(answers, "w", functions) : NULL;
    if (!out) {
        free(answers->output);
        return error_no_memory();
    }
    terminal_init(&answers->terminal, out);
    session->out = &answers->terminal;
    return NULL;
}

void json_answers_deinit(struct json_answers *answers)
{
    if (answers->terminal.out)
        fclose(answers->terminal.out);
    free(answers->output);
    *answers = (struct json_answers){0};
}

static const char *outcome_name(const struct session_answer *answer, const struct error *failure)
{
    static const char *const names[] = {
        [MANHOLE_DONE] = "done",       [MANHOLE_FAILED] = "failed",
        [MANHOLE_FAULTED] = "faulted", [MANHOLE_INTERRUPTED] = "interrupted",
        [MANHOLE_UNKNOWN] = "unknown", [MANHOLE_INCOMPLETE] = "incomplete",
        [MANHOLE_NO_GIL] = "failed",
    };
    if (failure)
        return failure->kind == ERROR_USAGE ? "failed" : "lost";
    if (answer->ended)
        return "ended";
    return answer->outcome < sizeof(names) / sizeof(names[0]) ? names[answer->outcome] : "failed";
}

static json_object *signal_text(const struct session_answer *answer)
{
    char name[32];
    if (answer->outcome != MANHOLE_FAULTED)
        return NULL;
    snprintf(name, sizeof(name), "SIG%s", signal_name(answer->signal));
    return json_object_new_string(name);
}

static json_object *address_text(const struct session_fault *fault)
{
    char hex[24];
    if (!fault->has_address)
        return NULL;
    snprintf(hex, sizeof(hex), "0x%" PRIx64, fault->address);
    return json_object_new_string(hex);
}

/* The members that tell what became of it. */
static void put_answer(json_object *object, const struct session_answer *answer,
                       const struct error *failure)
{
    const char *error = failure ? failure->message : answer_reason(answer);
    json_put(object, "outcome", json_object_new_string(outcome_name(answer, failure)));
    json_put(object, "error", *error ? json_text(error) : NULL);
    json_put(object, "signal", signal_text(answer));
    json_put(object, "address", address_text(&answer->fault));
}

static void put_stack(json_object *object, const struct code_stack *stack)
{
    json_object *frames = json_object_new_array();
    for (size_t i = 0; i < stack->count; i++)
        json_object_array_add(frames, json_text(stack->frames[i]));
    json_put(object, "stack", stack->count ? frames : NULL);
    if (!stack->count)
        json_object_put(frames);
}

/* Columns are characters, from 1. */
static void put_place(json_object *object, const char *input, const struct text_place *place)
{
    int column = 1;
    for (size_t i = place->start; place->length && i-- > 0 && input[i] != '\n';)
        column += ((unsigned char)input[i] & 0xc0) != 0x80;
    json_put(object, "line", place->line ? json_object_new_int(place->line) : NULL);
    json_put(object, "column", place->length ? json_object_new_int(column) : NULL);
}

static void put_value(json_object *object, const struct evaluated *evaluated)
{
    bool has_value = evaluated->value != NULL;
    bool has_number = has_value && evaluated->number;
    json_put(object, "number",
             has_number ? json_object_new_int64((int64_t)evaluated->number) : NULL);
    json_put(object, "type", has_value ? json_text(evaluated->type) : NULL);
    json_put(object, "value",
             has_value ? json_bytes(evaluated->value, strlen(evaluated->value)) : NULL);
}

static void put_traceback(json_object *object, const char *text)
{
    json_put(object, "traceback", text ? json_bytes(text, strlen(text)) : NULL);
}

/* What was collected goes with it. */
static void put_output(json_object *object, struct json_answers *answers)
{
    fflush(answers->terminal.out);
    answers->output[answers->size] = '\0';
    json_put(object, "output", json_bytes(answers->output, answers->size));
    json_put(object, "output_cut", json_object_new_boolean(answers->cut));
    answers->size = 0;
    answers->cut = false;
}

static void write_document(json_object *object)
{
    const char *json = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    json_print(stdout, json, strlen(json));
    putchar('\n');
    fflush(stdout); /* whoever reads along has the answer now */
}

void json_answers_write(struct json_answers *answers, const char *input,
                        const struct evaluated *evaluated, const struct error *failure)
{
    CLEANUP_JSON json_object *object = json_object_new_object();
    json_put(object, "input", input ? json_bytes(input, strlen(input)) : NULL);
    put_answer(object, &evaluated->answer, failure);
    put_place(object, input, &evaluated->place);
    put_stack(object, &evaluated->stack);
    put_traceback(object, evaluated->traceback);
    put_value(object, evaluated);
    put_output(object, answers);
    write_document(object);
}

void json_answers_write_rest(struct json_answers *answers)
{
    const struct evaluated nothing = {0};
    fflush(answers->terminal.out);
    if (answers->size)
        json_answers_write(answers, NULL, &nothing, NULL);
}
