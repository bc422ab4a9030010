#include "src/session.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/message.h"
#include "src/resolve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How long the server may take to answer an interrupt before the user hears how to leave. */
#define INTERRUPT_PATIENCE_US 2000000
#define GOODBYE_US 500000
#define STOPPED_CHECK_MS 2000

/* A running command, and how far the user is with interrupting it. */
struct running {
    uint32_t id;
    bool interrupted;   /* by Ctrl-C; the second one leaves */
    bool reads;         /* it waits for a line of the user's */
    bool told;          /* how to leave */
    deadline_t tell_at; /* when an unanswered interrupt is worth a word */
    bool told_stopped;  /* that the process does not run at all */
    void *data;         /* room for MANHOLE_DATA, or NULL */
    size_t *data_size;  /* bytes: of the room, then of what came */
};

static void copy_text(const char *text, size_t size, struct session_answer *answer)
{
    char raw[sizeof(answer->text)];
    while (size && text[size - 1] == '\n')
        size--;
    snprintf(raw, sizeof(raw), "%.*s", (int)size, text);
    message_sanitize(raw, answer->text, sizeof(answer->text));
}

static void take_fault(const struct client_frame *frame, struct session_fault *ret)
{
    struct manhole_fault fault;
    if (frame->size < sizeof(fault))
        return;
    memcpy(&fault, frame->data, sizeof(fault));
    size_t count = (frame->size - sizeof(fault)) / sizeof(ret->stack[0]);
    ret->has_address = fault.has_address;
    ret->address = fault.address;
    ret->count = fault.count < count ? fault.count : count;
    if (ret->count > SESSION_STACK_MAX)
        ret->count = SESSION_STACK_MAX;
    memcpy(ret->stack, frame->data + sizeof(fault), ret->count * sizeof(ret->stack[0]));
}

void session_take_result(const struct client_frame *frame, struct session_answer *ret)
{
    struct manhole_result result;
    if (frame->size < sizeof(result))
        return;
    memcpy(&result, frame->data, sizeof(result));
    ret->outcome = result.outcome;
    ret->signal = result.signal;
    copy_text(frame->data + sizeof(result), frame->size - sizeof(result), ret);
}

/* Without memory it is as if nothing had come. */
static void take_part(struct session_parts *parts, const struct client_frame *frame)
{
    char *copy = malloc(frame->size + 1);
    if (!copy)
        return;
    memcpy(copy, frame->data, frame->size);
    copy[frame->size] = '\0';
    bool is_value = frame->type == MANHOLE_VALUE;
    char **to = is_value ? &parts->value : &parts->traceback;
    free(*to);
    *to = copy;
    if (is_value)
        parts->value_size = frame->size;
}

/* True when the frame ends the command. */
static bool take_frame(struct session *session, struct running *running,
                       const struct client_frame *frame, struct session_answer *answer)
{
    switch (frame->type) {
    case MANHOLE_OUTPUT:
        terminal_write(session->out, frame->data, frame->size);
        return false;
    case MANHOLE_DATA:
        if (frame->id != running->id || !running->data)
            return false;
        if (frame->size < *running->data_size)
            *running->data_size = frame->size;
        memcpy(running->data, frame->data, *running->data_size);
        return true;
    case MANHOLE_FAULT:
        if (frame->id == running->id)
            take_fault(frame, &answer->fault);
        return false;
    case MANHOLE_VALUE:
    case MANHOLE_TRACEBACK:
        if (frame->id == running->id && session->parts)
            take_part(session->parts, frame);
        return false;
    case MANHOLE_WANT_INPUT:
        running->reads = frame->id == running->id && session->read_line;
        running->interrupted = running->told = false; /* it has taken that */
        return false;
    case MANHOLE_BYE:
        answer->ended = true;
        copy_text(frame->data, frame->size, answer);
        return true;
    case MANHOLE_RESULT:
        if (frame->id != running->id || frame->size < sizeof(struct manhole_result))
            return false;
        session_take_result(frame, answer);
        return true;
    default: /* of a later protocol */
        return false;
    }
}

static void tell_how_to_leave(struct session *session, struct running *running)
{
    running->told = true;
    terminal_end_line(session->out);
    message_note("the command has not ended yet; Ctrl-C once more leaves, and the program goes on");
}

/* One Ctrl-C; true when the user leaves. */
static bool take_interrupt(struct session *session, struct running *running)
{
    if (running->interrupted)
        return true;
    running->interrupted = true;
    running->tell_at = deadline_after_us(INTERRUPT_PATIENCE_US);
    /* The terminal showed "^C". */
    session->out->line_open = true;
    terminal_end_line(session->out);
    /* A request that cannot be sent is one that is not answered: the user is told how to leave. */
    error_destroy(client_send(session->client, MANHOLE_INTERRUPT, NULL, 0, NULL));
    return false;
}

/* What came on the signalfd: true when the user leaves. */
static bool take_signals(struct session *session, struct running *running)
{
    struct signalfd_siginfo info;
    bool leave = false;
    while (read(session->signal_fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo == SIGINT)
            leave = take_interrupt(session, running) || leave;
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
            leave = true;
    return leave;
}

/* True when the user leaves. */
static bool read_for_command(struct session *session, struct running *running)
{
    CLEANUP_FREE char *line = NULL;
    enum session_input input = session->read_line(session->reader, &line);
    if (input == INPUT_LEFT)
        return true;
    if (input == INPUT_DISTURBED)
        return false;
    running->reads = false;
    if (input == INPUT_INTERRUPTED)
        return take_interrupt(session, running);
    /* What cannot be sent is not answered: the user can interrupt it. */
    error_destroy(client_send(session->client, MANHOLE_INPUT, line, line ? strlen(line) : 0, NULL));
    return false;
}

/* How long to sleep, ms: until something that does not come is worth a word, or for ever. */
static int wait_ms(const struct session *session, const struct running *running)
{
    if (running->interrupted && !running->told)
        return (int)(deadline_left_us(running->tell_at) / 1000) + 1;
    return session->process && !running->told_stopped ? STOPPED_CHECK_MS : -1;
}

/* A stopped process answers nothing, however long one waits. */
static void tell_stopped(struct session *session, struct running *running)
{
    char state[32];
    if (running->told_stopped || !session->process ||
        !process_status_field(session->process, 0, "State", state, sizeof(state)) ||
        (*state != 'T' && *state != 't'))
        return;
    running->told_stopped = true;
    terminal_end_line(session->out);
    message_note("process %d is stopped: the command waits until it goes on (kill -CONT %d)",
                 session->process->pid, session->process->pid);
}

/* Nothing came for a while. */
static void tell_waiting(struct session *session, struct running *running)
{
    tell_stopped(session, running);
    if (running->interrupted && !running->told && deadline_passed(running->tell_at))
        tell_how_to_leave(session, running);
}

static struct error *follow(struct session *session, struct running *running,
                            struct session_answer *answer)
{
    for (;;) {
        struct client_frame frame;
        while (client_next(session->client, &frame))
            if (take_frame(session, running, &frame, answer))
                return NULL;
        if (client_closed(session->client))
            return client_lost(session->client);
        if (running->reads) {
            if (read_for_command(session, running)) {
                answer->left = true;
                return NULL;
            }
            client_pump(session->client);
            continue;
        }
        struct pollfd fds[] = {
            {.fd = client_fd(session->client), .events = client_events(session->client)},
            {.fd = session->signal_fd, .events = POLLIN},
        };
        int ready = poll(fds, 2, wait_ms(session, running));
        if (ready < 0 && errno != EINTR)
            return error_create(ERROR_PARTIAL, errno, "waiting failed: %s; attach again",
                                strerror(errno));
        if (ready <= 0) {
            tell_waiting(session, running);
            continue;
        }
        if (fds[1].revents && take_signals(session, running)) {
            answer->left = true;
            return NULL;
        }
        if (fds[0].revents)
            client_pump(session->client);
    }
}

struct error *session_request(struct session *session, enum manhole_frame_type type,
                              const void *request, size_t size, void *data, size_t *data_size,
                              struct session_answer *ret)
{
    *ret = (struct session_answer){0};
    struct running running = {.data = data, .data_size = data_size};
    struct error *error = client_send(session->client, type, request, size, &running.id);
    if (!error)
        error = follow(session, &running, ret);
    return error;
}

static struct error *run_as_it_is(struct session *session, const char *line,
                                  struct session_answer *ret)
{
    struct error *error =
        session_request(session, MANHOLE_RUN, line, strlen(line), NULL, NULL, ret);
    terminal_end_line(session->out);
    return error;
}

/* A name that the manhole does not know may be one that we do. */
static struct error *run_resolved(struct session *session, const char *line,
                                  struct session_answer *answer)
{
    CLEANUP_FREE char *text = NULL;
    switch (resolve_line(session->symbols, line, &text)) {
    case RESOLVE_AGAIN:
        return run_as_it_is(session, text, answer);
    case RESOLVE_ANSWERED:
        *answer = (struct session_answer){0};
        terminal_write(session->out, text, strlen(text));
        return NULL;
    case RESOLVE_AMBIGUOUS:
        message_sanitize(text, answer->text, sizeof(answer->text));
        return NULL;
    case RESOLVE_UNKNOWN:
        return NULL;
    }
    return NULL;
}

struct error *session_run(struct session *session, const char *line, struct session_answer *ret)
{
    struct error *error = run_as_it_is(session, line, ret);
    bool unknown_name = !error && !ret->ended && !ret->left && ret->outcome == MANHOLE_FAILED &&
                        strstr(ret->text, "no such symbol");
    return unknown_name ? run_resolved(session, line, ret) : error;
}

void session_leave(struct session *session)
{
    if (client_closed(session->client))
        return;
    struct error *error = client_send(session->client, MANHOLE_DETACH, NULL, 0, NULL);
    deadline_t deadline = deadline_after_us(GOODBYE_US);
    struct client_frame frame = {0};
    while (!error && frame.type != MANHOLE_BYE)
        error = client_wait(session->client, deadline, &frame);
    error_destroy(error);
}
