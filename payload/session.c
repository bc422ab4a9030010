#include "payload/session.h"

#include "payload/code.h"
#include "payload/handler.h"
#include "payload/input.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/memory.h"
#include "payload/protocol.h"
#include "payload/python.h"
#include "payload/python_tee.h"
#include "payload/redirect.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/worker.h"

#include <stdatomic.h>
#include <string.h>

/* Grows up to one request of the largest size. */
#define INPUT_FIRST_BYTES (64u << 10)
#define INPUT_MAX_BYTES (MANHOLE_FRAME_MAX + sizeof(struct manhole_frame) + 1)
/* While a job runs: how often to see whether its thread is alive; and to repeat an interrupt. */
#define WATCH_MS 200
#define AGAIN_MS 10
/* A session that ends waits so long for its job before it hangs up, and so wakes one that waits for
   the client to read. */
#define HANG_UP_MS 500

enum mode {
    MODE_NONE,     /* no client */
    MODE_GREETING, /* nothing heard yet, nothing said */
    MODE_TEXT,
    MODE_FRAMES,
    MODE_EXEC,
    MODE_FUNCTION, /* nothing of what he says is for us */
};

static const enum output_form forms[] = {
    [MODE_FRAMES] = OUTPUT_FRAMES,
    [MODE_EXEC] = OUTPUT_BLOCKS,
    [MODE_FUNCTION] = OUTPUT_TEXT,
};

static struct {
    enum mode mode;
    struct descriptor socket;
    struct ucred peer;
    struct arena arena;
    uint64_t greeting_until; /* ms */
    char *input;
    size_t start, size, capacity; /* bytes: [start, size) of input is not yet taken */
    size_t scanned;               /* of input: there is no newline before it */
    bool may_upgrade;             /* nothing but the upgrade was said so far */
    bool skipping;                /* in a line that is too long */
    bool half_closed;             /* nothing more will come */
    bool full;                    /* there is something to show, and the client takes nothing */
    bool interrupting;            /* the running job is to end */
    bool ending;
    uint64_t hang_up_at; /* ms; when ending */
    bool gone;           /* the socket is shut */
    const char *why;
    uint32_t job_id, bye_id; /* of the last job, of the goodbye */
} state;

/* For other threads too. */
static _Atomic pid_t client;
static _Atomic uint32_t connected; /* also where the client's pid is not visible */
static const char *_Atomic notice;

bool session_active(void)
{
    return state.mode != MODE_NONE;
}

bool session_attended(void)
{
    return session_active() && !state.gone;
}

pid_t session_client(void)
{
    return atomic_load(&client);
}

bool session_connected(void)
{
    return atomic_load(&connected);
}

static void set_client(pid_t pid, bool is_there)
{
    atomic_store(&client, pid);
    atomic_store(&connected, is_there);
    lock_wake(&connected);
}

void session_announce(const char *text)
{
    atomic_store(&notice, text);
}

void session_wait_until_left(void)
{
    while (atomic_load(&connected))
        lock_wait(&connected, true, -1);
}

bool session_ends_soon(void)
{
    return session_active() && state.ending && sys_now_ms() < state.hang_up_at;
}

static void give(enum job_kind kind, uint32_t id, const char *data, size_t size)
{
    struct job job = {
        .kind = kind,
        .socket = state.socket,
        .form = forms[state.mode],
        .id = id,
        .data = data,
        .size = size,
        .client = state.peer.pid,
        .arena = &state.arena,
    };
    state.interrupting = false;
    state.job_id = id;
    worker_give(&job);
}

static const enum mode first_modes[] = {
    [HANDLER_CONSOLE] = MODE_GREETING,
    [HANDLER_EXEC] = MODE_EXEC,
    [HANDLER_FUNCTION] = MODE_FUNCTION,
};

bool session_begin(int fd, const struct ucred *peer)
{
    memset(&state, 0, sizeof(state));
    state.input = memory_map(INPUT_FIRST_BYTES);
    if (!state.input)
        return false;
    state.capacity = INPUT_FIRST_BYTES;
    state.socket = descriptor_take(fd);
    state.peer = *peer;
    atomic_store(&notice, NULL);
    set_client(peer->pid, true);
    state.mode = first_modes[handler_kind()];
    state.may_upgrade = true;
    state.greeting_until = sys_now_ms() + MANHOLE_GREETING_MS;
    if (state.mode == MODE_FUNCTION)
        give(JOB_HANDLE, 0, NULL, 0);
    return true;
}

void session_end(const char *why)
{
    if (state.ending)
        return;
    state.ending = true;
    state.hang_up_at = sys_now_ms() + HANG_UP_MS;
    state.why = why;
    if (worker_busy()) {
        state.interrupting = true;
        worker_interrupt();
    }
}

/* The client is gone: whoever waits for it in the worker is woken by this. */
static void hang_up(void)
{
    if (!state.gone && descriptor_intact(&state.socket))
        SYS_CALL(SYS_shutdown, state.socket.fd, SHUT_RDWR, 0, 0, 0, 0);
    state.gone = true;
    set_client(0, false);
    session_end(NULL);
}

/* One attempt: a client that does not read is not waited for. */
static void say_goodbye(void)
{
    const char *why = state.why ? state.why : "";
    char text[256];
    if (state.mode == MODE_FRAMES) {
        struct manhole_frame header = {(uint32_t)strlen(why), MANHOLE_BYE, state.bye_id};
        memcpy(text, &header, sizeof(header));
        text_copy(text + sizeof(header), sizeof(text) - sizeof(header), why);
        sys_send(state.socket.fd, text, sizeof(header) + header.length);
    } else if (state.mode == MODE_EXEC) {
        size_t size =
            text_format(text, sizeof(text), MANHOLE_BLOCK_BYE " %zu\n%s", strlen(why), why);
        sys_send(state.socket.fd, text, size);
    } else if (*why && state.mode != MODE_FUNCTION) {
        size_t size = text_format(text, sizeof(text), "%s\n", why);
        sys_send(state.socket.fd, text, size);
    }
}

/* The order is for a child that another thread forks meanwhile: session_forget, memory.c. */
static void release(void)
{
    descriptor_close(&state.socket);
    char *input = state.input;
    state.input = NULL;
    memory_unmap(input, state.capacity);
    arena_deinit(&state.arena);
    state.mode = MODE_NONE;
}

static void close_session(void)
{
    if (state.mode == MODE_EXEC)
        log_line("Exiting exec loop.");
    if (!state.gone && descriptor_intact(&state.socket))
        say_goodbye();
    code_end_session();
    python_end_session();
    hang_up(); /* not close alone: a child that the program forked may hold the descriptor too */
    release();
    set_client(0, false);
    worker_rest();
    log_line("DONE.");
    log_line("Cleaned up.");
}

void session_forget(void)
{
    code_forget();
    python_forget();
    release();
    set_client(0, false);
    atomic_store(&notice, NULL);
}

/* --- Input. --- */

/* The buffer stays where it is while a job may read from it. */
static bool may_move(void)
{
    return !worker_busy() || input_asked();
}

/* Room for one more request. */
static bool make_room(void)
{
    if (state.start && may_move()) {
        memmove(state.input, state.input + state.start, state.size - state.start);
        state.size -= state.start;
        state.scanned -= state.scanned < state.start ? state.scanned : state.start;
        state.start = 0;
    }
    if (state.size < state.capacity)
        return true;
    if (!may_move() || state.capacity >= INPUT_MAX_BYTES)
        return false;
    size_t larger = 2 * state.capacity < INPUT_MAX_BYTES ? 2 * state.capacity : INPUT_MAX_BYTES;
    char *before = state.input;
    state.input = NULL; /* it may move: as in release */
    char *input = memory_grow(before, state.capacity, larger);
    state.input = input ? input : before;
    if (input)
        state.capacity = larger;
    return input != NULL;
}

static void receive(void)
{
    while (!state.half_closed && !state.gone && make_room()) {
        long got = sys_recv(state.socket.fd, state.input + state.size, state.capacity - state.size);
        if (got > 0)
            state.size += (size_t)got;
        else if (got == 0)
            state.half_closed = true;
        else if (got == -EAGAIN)
            return;
        else if (got != -EINTR)
            hang_up();
    }
}

/* The upgrade line, whole: then it is taken. `maybe` is set when it may still become one. */
static bool take_upgrade(bool *maybe)
{
    size_t size = state.size - state.start, whole = strlen(MANHOLE_UPGRADE);
    size_t part = size < whole ? size : whole;
    *maybe = false;
    if (!state.may_upgrade || memcmp(state.input + state.start, MANHOLE_UPGRADE, part) != 0)
        return false;
    *maybe = size < whole;
    if (*maybe)
        return false;
    state.start += whole;
    state.scanned = state.start;
    state.may_upgrade = false;
    state.mode = MODE_FRAMES;
    give(JOB_UPGRADE, 0, NULL, 0);
    return true;
}

static void greet(void)
{
    bool maybe;
    if (take_upgrade(&maybe))
        return;
    bool spoke = state.size > state.start && !maybe;
    if (!spoke && !state.half_closed && sys_now_ms() < state.greeting_until)
        return;
    state.mode = MODE_TEXT;
    give(JOB_BANNER, 0, NULL, 0);
}

/* The length of the next line, or SIZE_MAX when it is not there in full yet. */
static size_t find_line(void)
{
    if (state.scanned < state.start)
        state.scanned = state.start;
    for (; state.scanned < state.size; state.scanned++)
        if (state.input[state.scanned] == '\n')
            return state.scanned - state.start;
    return SIZE_MAX;
}

/* A line beyond the limit is thrown away as it comes. */
static void skip_line(void)
{
    static const char complaint[] = "the line is too long (more than 1048576 bytes): not run";
    size_t length = find_line();
    state.skipping = length == SIZE_MAX && !state.half_closed;
    state.start = length == SIZE_MAX ? state.size : state.start + length + 1;
    if (!state.skipping)
        give(JOB_REFUSE, 0, complaint, sizeof(complaint) - 1);
}

static void next_line(void)
{
    bool maybe;
    if (state.skipping) {
        skip_line();
        return;
    }
    if (take_upgrade(&maybe) || (maybe && !state.half_closed))
        return;
    size_t length = find_line();
    size_t left = state.size - state.start;
    if (length > MANHOLE_FRAME_MAX && left > MANHOLE_FRAME_MAX) {
        skip_line();
        return;
    }
    if (length == SIZE_MAX && !(state.half_closed && left)) {
        if (state.half_closed)
            session_end("goodbye");
        return;
    }
    const char *line = state.input + state.start;
    state.start += length == SIZE_MAX ? left : length + 1;
    state.may_upgrade = false;
    give(JOB_RUN, 0, line, length == SIZE_MAX ? left : length);
}

/* --- Frames. --- */

/* The frame at `offset` of the input; false when it is not there in full. */
static bool look_at_frame(size_t offset, struct manhole_frame *frame)
{
    if (state.size - offset < sizeof(*frame))
        return false;
    memcpy(frame, state.input + offset, sizeof(*frame));
    if (frame->length > MANHOLE_FRAME_MAX) {
        session_end("protocol error: a frame is larger than the maximum");
        return false;
    }
    return state.size - offset - sizeof(*frame) >= frame->length;
}

/* The requests that the worker is to answer. */
static const struct {
    enum manhole_frame_type type;
    enum job_kind kind;
} requests[] = {
    {MANHOLE_RUN, JOB_RUN},
    {MANHOLE_READ, JOB_READ},
    {MANHOLE_COMPLETE, JOB_COMPLETE},
    {MANHOLE_LOAD, JOB_LOAD},
    {MANHOLE_UNLOAD, JOB_UNLOAD},
    {MANHOLE_EXECUTE, JOB_EXECUTE},
    {MANHOLE_WRITE, JOB_WRITE},
    {MANHOLE_PYTHON, JOB_PYTHON},
    {MANHOLE_PYTHON_COMPLETE, JOB_PYTHON_COMPLETE},
};

static bool give_request(const struct manhole_frame *frame, const char *data)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (requests[i].type != frame->type)
            continue;
        give(requests[i].kind, frame->id, data, frame->length);
        return true;
    }
    return false;
}

static void next_frame(void)
{
    struct manhole_frame frame;
    if (!look_at_frame(state.start, &frame)) {
        if (state.half_closed)
            session_end(state.size > state.start ? "protocol error: a frame is cut short"
                                                 : "goodbye");
        return;
    }
    const char *data = state.input + state.start + sizeof(frame);
    state.start += sizeof(frame) + frame.length;
    if (give_request(&frame, data))
        return;
    switch (frame.type) {
    case MANHOLE_INTERRUPT: /* of what has ended meanwhile */
    case MANHOLE_INPUT:
        return;
    case MANHOLE_DETACH:
        state.bye_id = frame.id;
        session_end("goodbye");
        return;
    default:
        session_end("protocol error: a frame of unknown type");
        return;
    }
}

/* While a job runs: an interrupt is meant for it, wherever it stands in the queue; unless the
   client may know already that it is over. */
static void look_for_interrupt(void)
{
    struct manhole_frame frame;
    for (size_t offset = state.start; !state.ending && look_at_frame(offset, &frame);
         offset += sizeof(frame) + frame.length) {
        if (frame.type == MANHOLE_DETACH) {
            state.bye_id = frame.id;
            session_end("goodbye");
        }
        if (frame.type != MANHOLE_INTERRUPT || worker_answering())
            continue;
        size_t whole = sizeof(frame) + frame.length;
        memmove(state.input + offset, state.input + offset + whole, state.size - offset - whole);
        state.size -= whole;
        state.interrupting = true;
        worker_interrupt();
        return;
    }
}

/* --- Lines for the running job. --- */

static void give_next_line(void)
{
    size_t length = find_line(), left = state.size - state.start;
    if (length == SIZE_MAX && !state.half_closed && left <= MANHOLE_FRAME_MAX)
        return;
    size_t size = length == SIZE_MAX ? left : length + 1;
    state.start += size;
    input_give(state.input + state.start - size, size);
}

static void give_next_input(void)
{
    struct manhole_frame frame;
    if (!look_at_frame(state.start, &frame)) {
        if (state.half_closed)
            input_give("", 0);
        return;
    }
    bool is_input = frame.type == MANHOLE_INPUT;
    if (is_input)
        state.start += sizeof(frame) + frame.length;
    /* He has gone on with something else. */
    if (is_input || frame.type != MANHOLE_INTERRUPT)
        input_give(is_input ? state.input + state.start - frame.length : "",
                   is_input ? frame.length : 0);
}

static void serve_reader(void)
{
    if (input_took_interrupt() && !state.ending) {
        state.interrupting = false;
        worker_forget_interrupt();
    }
    if (!input_asked())
        return;
    if (state.ending)
        input_give("", 0);
    else if (state.mode == MODE_FRAMES)
        give_next_input();
    else
        give_next_line();
}

/* --- The steps. --- */

static void bury_worker(void)
{
    log_line("the console's thread was ended by what it called; another takes its place");
    redirect_bury();
    int status = worker_replace();
    if (status) {
        session_end("the console's thread ended, and another could not be made");
        return;
    }
    static const char complaint[] =
        "the function ended its thread (pthread_exit); another has taken its place";
    if (state.mode == MODE_FUNCTION)
        session_end(NULL);
    else if (!state.ending)
        give(JOB_REFUSE, state.job_id, complaint, sizeof(complaint) - 1);
}

static void take_result(void)
{
    enum job_result result;
    if (!worker_take_result(&result))
        return;
    if (result == JOB_QUIT) {
        state.bye_id = state.job_id;
        session_end("goodbye");
    }
    if (result == JOB_SERVED)
        session_end(NULL);
    if (result == JOB_STALLED)
        log_line("the client does not read: dropped");
    if (result == JOB_LOST || result == JOB_STALLED)
        hang_up();
}

/* Once it has been greeted, and between two commands: only there can frames be told apart. Programs
   (exec, a function of their own) expect no words of ours. */
static void give_notice(void)
{
    const char *text = atomic_exchange(&notice, NULL);
    if (!text)
        return;
    log_line("%s (the client, PID:%d)", text, session_client());
    if (state.mode == MODE_TEXT || state.mode == MODE_FRAMES)
        give(JOB_NOTICE, 0, text, strlen(text));
}

/* Programs (exec) get what others print with their next command. */
static struct pollfd printed_events(void)
{
    bool takes_any = state.mode == MODE_TEXT || state.mode == MODE_FRAMES;
    return takes_any ? python_tee_events() : (struct pollfd){.fd = -1};
}

/* What others print comes between two commands, too, as far as the client takes it at once; what he
   does not take stays where it is. */
static void show_printed(void)
{
    struct pollfd fds[] = {
        printed_events(),
        {.fd = state.socket.fd, .events = POLLOUT},
    };
    state.full = false;
    if (sys_poll(fds, 1, 0) <= 0)
        return;
    state.full = sys_poll(fds + 1, 1, 0) <= 0;
    if (!state.full)
        give(JOB_SHOW, 0, NULL, 0);
}

static void start_next(void)
{
    if (state.mode != MODE_GREETING)
        give_notice();
    size_t before = SIZE_MAX;
    /* Some input starts no job: go on while there is progress. */
    while (!worker_busy() && !state.ending && before != state.size - state.start) {
        before = state.size - state.start;
        if (state.mode == MODE_GREETING)
            greet();
        else if (state.mode == MODE_TEXT || state.mode == MODE_EXEC)
            next_line();
        else
            next_frame();
    }
    if (!worker_busy() && !state.ending)
        show_printed();
}

struct pollfd session_printed_events(void)
{
    bool waits = session_attended() && !worker_busy() && !state.full;
    return waits ? printed_events() : (struct pollfd){.fd = -1};
}

struct pollfd session_events(void)
{
    struct pollfd events = {.fd = -1};
    if (state.mode == MODE_NONE || state.gone)
        return events;
    events.fd = state.socket.fd; /* POLLHUP comes in any case */
    bool room = state.size < state.capacity ||
                (may_move() && (state.start || state.capacity < INPUT_MAX_BYTES));
    if (!state.half_closed && room && state.mode != MODE_FUNCTION)
        events.events = POLLIN;
    if (state.full)
        events.events |= POLLOUT;
    return events;
}

long session_timeout(void)
{
    if (state.mode == MODE_NONE)
        return -1;
    if (worker_busy())
        return state.interrupting ? AGAIN_MS : WATCH_MS;
    if (state.mode != MODE_GREETING)
        return -1;
    uint64_t now = sys_now_ms();
    return now >= state.greeting_until ? 0 : (long)(state.greeting_until - now);
}

void session_step(short events)
{
    if (state.mode == MODE_NONE)
        return;
    if (events & (POLLHUP | POLLERR | POLLNVAL) || (events && !descriptor_intact(&state.socket)))
        hang_up();
    if (events & POLLIN && !state.gone)
        receive();
    if (worker_is_dead())
        bury_worker();
    take_result();
    if (worker_busy()) {
        if (state.mode == MODE_FRAMES)
            look_for_interrupt();
        serve_reader();
        if (state.interrupting)
            worker_interrupt();
        if (state.ending && sys_now_ms() >= state.hang_up_at)
            hang_up();
        return;
    }
    if (!state.ending)
        start_next();
    if (state.ending && !worker_busy())
        close_session();
}
