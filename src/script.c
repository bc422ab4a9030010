#include "src/script.h"

#include "injector/cleanup.h"
#include "src/answer.h"
#include "src/json_answers.h"
#include "src/message.h"
#include "src/python.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* Lines of a descriptor, read so that the loss of the manhole is noticed while none comes. */
struct lines {
    int fd;
    char *data;
    size_t start, size, capacity; /* bytes: [start, size) is not yet handed out */
    bool ended;
};

struct script_state {
    struct evaluator *evaluator;
    struct json_answers *json; /* NULL: text */
    char *pending;             /* C that goes on in the next line; or NULL */
    int line;                  /* of the script, from 1 */
    int first;                 /* that in which began what is run */
    bool is_numbered;          /* the script has several lines */
    int status;
    bool over; /* the session ended: nothing more can run */
};

/* Lines are those of the script. */
static void report(const struct script_state *state, const char *text,
                   const struct evaluated *evaluated)
{
    char word[200], clean[256], where[ANSWER_WHERE_BYTES];
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " \t\n"), text);
    message_note("%s: %s%s", message_sanitize(word, clean, sizeof(clean)),
                 answer_where(&evaluated->place, state->first, state->is_numbered, where),
                 answer_reason(&evaluated->answer));
    answer_show_place(stderr, text, &evaluated->place, false);
    answer_show_stack(stderr, &evaluated->stack);
}

static void fail(struct script_state *state, int status)
{
    if (!state->status)
        state->status = status;
}

typedef struct error *run_text_fn(struct evaluator *evaluator, const char *text,
                                  struct evaluated *ret);

/* False: it goes on in the next line, and was not run. */
static bool run_by(struct script_state *state, run_text_fn *run, const char *line)
{
    CLEANUP_EVALUATED struct evaluated evaluated = {0};
    struct error *error = run(state->evaluator, line, &evaluated);
    if (!error && evaluated.answer.outcome == MANHOLE_INCOMPLETE)
        return false;
    bool failed = evaluated.answer.outcome != MANHOLE_DONE;
    if (state->json)
        json_answers_write(state->json, line, &evaluated, error);
    else if (!error)
        answer_show_value(state->evaluator->session->out, &evaluated, false);
    if (error) {
        /* One line was too long for a frame: the next may not be. */
        state->over = error->kind != ERROR_USAGE;
        int status = message_error(error);
        if (state->over)
            state->status = status;
        else
            fail(state, ERROR_PARTIAL);
        return true;
    }
    if (evaluated.answer.ended) {
        state->over = true;
        return true;
    }
    if (failed && !state->json && !answer_show_traceback(stderr, &evaluated))
        report(state, line, &evaluated);
    if (failed)
        fail(state, ERROR_PARTIAL);
    return true;
}

static bool run_whole(struct script_state *state, const char *line)
{
    return run_by(state, evaluator_run, line);
}

static void run_line(struct script_state *state, const char *line);

/* What was read before, and a line more; NULL: no memory, which is said. */
static char *join_line(struct script_state *state, const char *line)
{
    char *whole;
    if (asprintf(&whole, "%s%s%s", state->pending ? state->pending : "", state->pending ? "\n" : "",
                 line) >= 0)
        return whole;
    fail(state, message_error(error_no_memory()));
    return NULL;
}

static void set_pending(struct script_state *state, char *text)
{
    free(state->pending);
    state->pending = text;
}

/*
 * A line of Python. A block ends where a line is not indented any more, as in a file: a blank line
 * does not end it, as it would at a prompt.
 */
static void run_python_line(struct script_state *state, const char *line)
{
    char *whole;
    if (state->pending && !python_continues(line)) {
        whole = join_line(state, "");
        if (whole && run_whole(state, whole))
            set_pending(state, NULL);
        free(whole);
        if (!state->pending) {
            state->line--;
            run_line(state, line);
            return;
        }
    }
    if (!state->pending && !line[strspn(line, " \t")])
        return;
    bool is_more = state->pending;
    whole = join_line(state, line);
    if (!whole || (!is_more && run_whole(state, whole))) {
        free(whole);
        return;
    }
    set_pending(state, whole);
}

/* A line may be the next one of C that began before; what is open at the end of a script is run as
   it is, so that the compiler says what is missing. */
static void run_line(struct script_state *state, const char *line)
{
    state->line++;
    if (state->evaluator->is_python && !(python_is_command(line) && !state->pending)) {
        run_python_line(state, line);
        return;
    }
    if (!state->pending)
        state->first = state->line;
    line += state->pending ? 0 : strspn(line, " \t");
    if (!state->pending && (!*line || *line == '#'))
        return;
    char *whole = join_line(state, line);
    if (!whole)
        return;
    set_pending(state, NULL);
    if (evaluator_wants_more(state->evaluator, whole)) {
        state->pending = whole;
        return;
    }
    run_whole(state, whole);
    free(whole);
}

static void run_pending(struct script_state *state)
{
    bool is_python = state->evaluator->is_python;
    if (state->pending && !state->over)
        run_by(state, is_python ? evaluator_run_script : evaluator_run, state->pending);
    set_pending(state, NULL);
}

/* The next line without its newline, valid until the next call; NULL at the end. */
static char *next_buffered(struct lines *lines)
{
    char *begin = lines->data + lines->start;
    size_t left = lines->size - lines->start;
    char *newline = left ? memchr(begin, '\n', left) : NULL;
    if (!newline && !(lines->ended && left))
        return NULL;
    size_t length = newline ? (size_t)(newline - begin) : left;
    begin[length] = '\0';
    lines->start += length + (newline ? 1 : 0);
    return begin;
}

static struct error *read_more(struct lines *lines)
{
    if (lines->start)
        memmove(lines->data, lines->data + lines->start, lines->size - lines->start);
    lines->size -= lines->start;
    lines->start = 0;
    /* One more byte than is read: the last line may end without a newline. */
    if (lines->capacity - lines->size < 4097) {
        if (lines->size > MANHOLE_FRAME_MAX)
            return error_create(ERROR_USAGE, 0,
                                "a line of the script (of Python: all of it) is longer than a "
                                "manhole takes (%u bytes); "
                                "split it",
                                MANHOLE_FRAME_MAX);
        size_t capacity = 2 * lines->capacity + 8192;
        char *data = realloc(lines->data, capacity);
        if (!data)
            return error_no_memory();
        lines->data = data;
        lines->capacity = capacity;
    }
    ssize_t got = read(lines->fd, lines->data + lines->size, 4096);
    if (got > 0)
        lines->size += (size_t)got;
    else if (got == 0)
        lines->ended = true;
    else if (errno != EINTR && errno != EAGAIN)
        return error_create(ERROR_PARTIAL, errno, "the script cannot be read: %s", strerror(errno));
    return NULL;
}

/* While no line is there: sleeps until the input or the manhole has something to say. */
static struct error *await_input(struct script_state *state, struct lines *lines)
{
    struct client *client = state->evaluator->session->client;
    struct pollfd fds[] = {
        {.fd = lines->fd, .events = POLLIN},
        {.fd = client_fd(client), .events = client_events(client)},
    };
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR
                   ? NULL
                   : error_create(ERROR_PARTIAL, errno, "waiting failed: %s", strerror(errno));
    if (fds[1].revents) {
        client_pump(client);
        struct client_frame frame;
        while (client_next(client, &frame))
            if (frame.type == MANHOLE_OUTPUT)
                terminal_write(state->evaluator->session->out, frame.data, frame.size);
        if (client_closed(client))
            return client_lost(client);
    }
    return fds[0].revents ? read_more(lines) : NULL;
}

static void run_lines(struct script_state *state, int fd)
{
    struct lines lines = {.fd = fd};
    state->is_numbered = true;
    while (!state->over) {
        char *line = lines.data ? next_buffered(&lines) : NULL;
        if (line) {
            run_line(state, line);
            continue;
        }
        if (lines.ended)
            break;
        struct error *error = await_input(state, &lines);
        if (error) {
            state->over = true;
            state->status = message_error(error);
        }
    }
    run_pending(state);
    free(lines.data);
}

/* Lines from `text` on, up to a command: one script, as a module would be. Returns what follows. */
static char *run_python_part(struct script_state *state, char *text)
{
    char *end = text;
    while (end && !python_is_command(end)) {
        char *newline = strchr(end, '\n');
        end = newline ? newline + 1 : NULL;
    }
    char kept = end ? *end : '\0';
    if (end)
        *end = '\0';
    if (text[strspn(text, " \t\r\n")])
        run_by(state, evaluator_run_script, text);
    if (end)
        *end = kept;
    return end;
}

static void run_python_text(struct script_state *state, char *text)
{
    char *rest = text;
    while (rest && *rest && !state->over) {
        if (state->evaluator->is_python && !python_is_command(rest))
            rest = run_python_part(state, rest);
        else
            run_line(state, strsep(&rest, "\n"));
    }
    run_pending(state);
}

/* A file of Python is read to its end first. */
static void run_python_file(struct script_state *state, int fd)
{
    struct lines lines = {.fd = fd};
    struct error *error = NULL;
    while (!lines.ended && !error)
        error = await_input(state, &lines);
    if (error) {
        state->over = true;
        state->status = message_error(error);
    } else if (lines.data) {
        lines.data[lines.size] = '\0'; /* read_more leaves room */
        run_python_text(state, lines.data);
    }
    free(lines.data);
}

/* The code of --eval: one command a line. */
static void run_text(struct script_state *state, const char *text)
{
    CLEANUP_FREE char *copy = strdup(text);
    if (!copy) {
        fail(state, message_error(error_no_memory()));
        return;
    }
    state->is_numbered = strchr(text, '\n');
    if (state->evaluator->is_python) {
        run_python_text(state, copy);
        return;
    }
    char *rest = copy;
    while (rest && !state->over)
        run_line(state, strsep(&rest, "\n"));
    run_pending(state);
}

/* A script of --file, or an error. */
static struct error *open_script(const char *path, int *ret)
{
    *ret = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : open(path, O_RDONLY | O_CLOEXEC);
    if (*ret >= 0)
        return NULL;
    return error_create(ERROR_USAGE, errno, "--file %s: %s; give a readable script, or '-'", path,
                        strerror(errno));
}

struct error *script_check(const struct options *options)
{
    for (size_t i = 0; i < options->script_count; i++) {
        if (!options->scripts[i].is_file)
            continue;
        CLEANUP_CLOSE int fd = -1;
        /* Opening a FIFO twice would disturb its writer. */
        if (strcmp(options->scripts[i].text, "-") != 0 &&
            faccessat(AT_FDCWD, options->scripts[i].text, R_OK, AT_EACCESS) < 0) {
            struct error *error = open_script(options->scripts[i].text, &fd);
            if (error)
                return error;
        }
    }
    return NULL;
}

static void run_script(struct script_state *state, const struct script *script)
{
    state->line = 0;
    if (!script->is_file) {
        run_text(state, script->text);
        return;
    }
    CLEANUP_CLOSE int fd = -1;
    struct error *error = open_script(script->text, &fd);
    if (error)
        fail(state, message_error(error));
    else if (state->evaluator->is_python)
        run_python_file(state, fd);
    else
        run_lines(state, fd);
}

static void run_all(struct script_state *state, const struct options *options)
{
    for (size_t i = 0; i < options->script_count && !state->over; i++)
        run_script(state, &options->scripts[i]);
    if (!options->script_count)
        run_lines(state, STDIN_FILENO);
    if (!state->over)
        session_leave(state->evaluator->session);
}

int script_run(struct evaluator *evaluator, const struct options *options)
{
    struct script_state state = {.evaluator = evaluator};
    struct json_answers json;
    if (options->dump.format == FORMAT_JSON) {
        struct error *error = json_answers_init(&json, evaluator->session);
        if (error)
            return message_error(error);
        state.json = &json;
    }
    run_all(&state, options);
    if (state.json) {
        json_answers_write_rest(&json);
        json_answers_deinit(&json);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        message_note("standard output: cannot be written: %s", strerror(errno));
        fail(&state, ERROR_PARTIAL);
    }
    return state.status;
}
