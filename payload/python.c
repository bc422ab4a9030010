#include "payload/python.h"

#include "payload/handler.h"
#include "payload/log.h"
#include "payload/memory.h"
#include "payload/python_api.h"
#include "payload/python_thread.h"
#include "payload/text.h"

#include <string.h>

/* How long to wait for the GIL: for what somebody asked, and for what a key asked. */
#define GIL_MS 2000
#define COMPLETE_GIL_MS 300

/* Of a client of text. */
static struct {
    bool speaks_python;
    char *pending; /* lines that go on in the next one; NULL: none */
    size_t size, capacity;
} state;

static void drop_pending(void)
{
    char *pending = state.pending;
    state.pending = NULL;
    memory_unmap(pending, state.capacity);
    state.size = state.capacity = 0;
}

void python_end_session(void)
{
    python_thread_leave();
    python_forget();
}

void python_forget(void)
{
    drop_pending();
    state.speaks_python = false;
}

/* --- Tasks. --- */

static void give_text(const struct python_answer *answer, enum python_text which,
                      struct output *output)
{
    output_bytes(output, answer->texts[which], answer->sizes[which]);
}

/* Has it done; false: it was not, and the request says why. The answer is the caller's. */
static bool serve(struct request *request, enum python_task task, const char *text, size_t size,
                  uint32_t flags, struct python_answer *ret)
{
    char why[PYTHON_WHY_BYTES];
    enum python_presence presence = python_api_find(why, sizeof(why));
    if (presence == PYTHON_NONE)
        request->result.outcome = MANHOLE_UNKNOWN;
    if (presence != PYTHON_FOUND) {
        /* It has ended: the manhole's commands are what is left, `quit` among them. */
        state.speaks_python = false;
        request_fail(request, "%s", why);
        return false;
    }
    enum python_status status =
        python_thread_serve(task, text, size, flags, GIL_MS, request->output, ret);
    if (status == PYTHON_SERVED)
        return true;
    python_thread_explain(status, GIL_MS, why, sizeof(why));
    if (status == PYTHON_LEFT_BEHIND)
        request->result.outcome = MANHOLE_INTERRUPTED;
    if (status == PYTHON_NO_GIL)
        request->result.outcome = MANHOLE_NO_GIL;
    request_fail(request, "%s", why);
    return false;
}

/* Frames of their own for what programs want apart from the output. */
static void give_frames(const struct python_answer *answer, struct output *output)
{
    char type[256];
    if (answer->sizes[PYTHON_TRACE])
        output_frame(output, MANHOLE_TRACEBACK, NULL, 0, answer->texts[PYTHON_TRACE],
                     answer->sizes[PYTHON_TRACE] < MANHOLE_FRAME_MAX ? answer->sizes[PYTHON_TRACE]
                                                                     : MANHOLE_FRAME_MAX);
    if (!answer->sizes[PYTHON_VALUE])
        return;
    size_t length = text_format(type, sizeof(type), "%.*s", (int)answer->sizes[PYTHON_TYPE],
                                answer->texts[PYTHON_TYPE]);
    size_t room = MANHOLE_FRAME_MAX - length - 1;
    output_frame(output, MANHOLE_VALUE, type, length + 1, answer->texts[PYTHON_VALUE],
                 answer->sizes[PYTHON_VALUE] < room ? answer->sizes[PYTHON_VALUE] : room);
}

/* What an evaluation came to: for people as Python prints it, for programs in parts. */
static void tell(struct request *request, const struct python_answer *answer)
{
    struct output *output = request->output;
    if (answer->outcome == PYTHON_LEFT) {
        request->quit = true;
        return;
    }
    request->result.outcome = (uint32_t)answer->outcome;
    if (output->form == OUTPUT_FRAMES)
        give_frames(answer, output);
    else
        give_text(answer, PYTHON_TRACE, output);
    if (output->form == OUTPUT_TEXT)
        return;
    if (answer->sizes[PYTHON_MESSAGE])
        request_fail(request, "%.*s", (int)answer->sizes[PYTHON_MESSAGE],
                     answer->texts[PYTHON_MESSAGE]);
    else if (answer->outcome == MANHOLE_INTERRUPTED)
        request_fail(request, "interrupted");
    else if (answer->outcome == MANHOLE_FAILED)
        request_fail(request, "the console cannot be made in this interpreter");
}

static void evaluate(struct request *request, enum python_task task, const char *text, size_t size,
                     uint32_t flags)
{
    struct python_answer answer;
    if (serve(request, task, text, size, flags, &answer))
        tell(request, &answer);
    python_answer_deinit(&answer);
}

/* Text that Python makes for people: the stacks, the greeting. */
static bool show(struct request *request, enum python_task task)
{
    struct python_answer answer;
    bool served = serve(request, task, "", 0, 0, &answer);
    if (served && answer.outcome == MANHOLE_DONE)
        give_text(&answer, PYTHON_MESSAGE, request->output);
    else if (served)
        tell(request, &answer);
    served &= answer.outcome == MANHOLE_DONE;
    python_answer_deinit(&answer);
    return served;
}

static void probe(struct request *request)
{
    char why[PYTHON_WHY_BYTES];
    enum python_presence presence = python_api_find(why, sizeof(why));
    if (presence == PYTHON_FOUND)
        return;
    request->result.outcome = presence == PYTHON_NONE ? MANHOLE_UNKNOWN : MANHOLE_FAILED;
    request_fail(request, "%s", why);
}

void python_run(struct request *request)
{
    struct manhole_python head;
    if (request->job->size < sizeof(head)) {
        request_fail(request, "a request of Python is cut short");
        return;
    }
    memcpy(&head, request->job->data, sizeof(head));
    const char *text = request->job->data + sizeof(head);
    size_t size = request->job->size - sizeof(head);
    switch (head.mode) {
    case MANHOLE_PYTHON_STATEMENT:
        evaluate(request, PYTHON_EVALUATE, text, size, head.flags);
        return;
    case MANHOLE_PYTHON_SCRIPT:
        evaluate(request, PYTHON_SCRIPT, text, size, head.flags);
        return;
    case MANHOLE_PYTHON_PROBE:
        probe(request);
        return;
    case MANHOLE_PYTHON_GREET:
        if (show(request, PYTHON_STACKS))
            show(request, PYTHON_GREETING);
        return;
    default:
        request_fail(request, "no such request of Python: %u", head.mode);
        return;
    }
}

/* --- Completion. --- */

static bool is_of_name(char c)
{
    return c == '_' || c == '.' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

void python_complete(struct request *request)
{
    const struct job *job = request->job;
    struct python_answer answer;
    char why[PYTHON_WHY_BYTES];
    size_t start = job->size;
    while (start && is_of_name(job->data[start - 1]))
        start--;
    if (python_api_find(why, sizeof(why)) != PYTHON_FOUND)
        return;
    if (python_thread_serve(PYTHON_COMPLETE, job->data + start, job->size - start, 0,
                            COMPLETE_GIL_MS, request->output, &answer) == PYTHON_SERVED)
        give_text(&answer, PYTHON_MESSAGE, request->output);
    python_answer_deinit(&answer);
}

/* --- Clients of text. --- */

bool python_greet(struct output *output, char why[PYTHON_WHY_BYTES])
{
    struct request request = {.output = output};
    *why = '\0';
    state.speaks_python = show(&request, PYTHON_STACKS) && show(&request, PYTHON_GREETING);
    if (!state.speaks_python && request.result.outcome != MANHOLE_UNKNOWN)
        text_copy(why, PYTHON_WHY_BYTES, request.text);
    return state.speaks_python;
}

bool python_prompt(struct output *output)
{
    if (state.speaks_python)
        output_text(output, state.pending ? "... " : ">>> ");
    return state.speaks_python;
}

/* Adds a line to what is pending. False: no memory, or it is more than a request may be. */
static bool add_line(const char *line, size_t size)
{
    size_t needed = state.size + size + 1;
    if (needed > MANHOLE_FRAME_MAX)
        return false;
    if (needed > state.capacity) {
        char *larger = state.pending ? memory_grow(state.pending, state.capacity, 2 * needed)
                                     : memory_map(2 * needed);
        if (!larger)
            return false;
        state.pending = larger;
        state.capacity = 2 * needed;
    }
    if (state.size)
        state.pending[state.size++] = '\n';
    memcpy(state.pending + state.size, line, size);
    state.size += size;
    return true;
}

static void take_statement(struct request *request, const char *line, size_t size)
{
    if (!add_line(line, size)) {
        drop_pending();
        request_fail(request, "no memory for what was typed: it is not run");
        return;
    }
    bool by_program = request->job->form == OUTPUT_BLOCKS;
    if (by_program)
        log_line("Running: '%.*s'.", (int)size, line);
    evaluate(request, by_program ? PYTHON_SCRIPT : PYTHON_EVALUATE, state.pending, state.size,
             MANHOLE_PYTHON_INPUT);
    if (request->result.outcome == MANHOLE_INCOMPLETE)
        request->result.outcome = MANHOLE_DONE;
    else
        drop_pending();
}

static bool is_command(const char *line, size_t size, const char *command)
{
    while (size && (text_is_blank(line[size - 1]) || line[size - 1] == '\r'))
        size--;
    return size == strlen(command) && memcmp(line, command, size) == 0;
}

static void speak_python(struct request *request)
{
    char why[PYTHON_WHY_BYTES];
    state.speaks_python = python_api_find(why, sizeof(why)) == PYTHON_FOUND;
    if (!state.speaks_python)
        request_fail(request, "%s", why);
}

bool python_takes_line(struct request *request)
{
    const char *line = request->job->data;
    size_t size = request->job->size;
    if (is_command(line, size, ".py")) {
        speak_python(request);
    } else if (is_command(line, size, ".c")) {
        python_forget();
    } else if (state.speaks_python && (state.pending || !size || *line != '.')) {
        if (size && line[size - 1] == '\r')
            size--;
        take_statement(request, line, size);
    } else {
        return false;
    }
    return true;
}
