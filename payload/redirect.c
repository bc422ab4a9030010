#include "payload/redirect.h"

#include "payload/bell.h"
#include "payload/guard.h"
#include "payload/lock.h"
#include "payload/relay.h"
#include "payload/stream.h"
#include "payload/sys.h"
#include "payload/worker.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>

/* Of the evaluation, and of earlier ones whose children still print. */
#define STREAMS (REDIRECT_EVENTS - 1)
/* Whoever holds the lock does not wait. */
#define LOCK_MS 2000
/*
 * Putting back: a thread of the program that writes to the pipe, and at once directly to the
 * original, could overtake itself. So it is done when nothing has come for a moment; if there is no
 * such moment, when the pipe is empty; if it never is, or the original takes nothing, all the same.
 */
#define QUIET_MS 1
#define WANT_QUIET_MS 50
#define WANT_EMPTY_MS 300
/* When the manhole is closed: for the original to take the rest, for the pipe to end. */
#define CLOSE_MS 200
/* Pieces of one stream in a row, so that others have their turn. */
#define PIECES 32
/* What is flushed fits into a pipe of ours, which is empty then. */
#define FLUSH_MAX_BYTES (16u << 10)

static struct {
    struct lock lock; /* of all that follows */
    bool without_stderr;
    bool running; /* an evaluation: relay is in use */
    bool left;    /* of one whose worker ended: relay still has something to say */
    struct stream streams[STREAMS];
    bool live[STREAMS]; /* the stream is looked at for the evaluation */
    struct relay relay;
} state; /* large, hence all zero: no bytes of the file, and no memory before it is used */

void redirect_configure(bool with_stderr)
{
    state.without_stderr = !with_stderr;
}

/* --- Taking. --- */

static void show(void *context, const char *data, size_t size)
{
    (void)context;
    relay_add(&state.relay, data, size);
}

static void drop(size_t i)
{
    stream_close(&state.streams[i]);
    state.live[i] = false;
}

/* Up to PIECES of one stream; what it has to say then. */
static enum stream_state take_some(size_t i)
{
    enum stream_state found = STREAM_MORE;
    for (unsigned n = 0; n < PIECES && found == STREAM_MORE; n++)
        found = stream_step(&state.streams[i], state.live[i] ? show : NULL, NULL);
    if (found == STREAM_ENDED && !state.live[i])
        drop(i);
    return found;
}

/* One go through all streams; true when each live one is empty, or has ended. */
static bool take_all(void)
{
    bool empty = true;
    for (size_t i = 0; i < STREAMS; i++) {
        if (state.streams[i].kind == STREAM_UNUSED)
            continue;
        bool live = state.live[i];
        enum stream_state found = take_some(i);
        empty &= !live || found == STREAM_EMPTY || found == STREAM_ENDED;
    }
    if (state.running)
        relay_step(&state.relay);
    return empty;
}

static bool all_ended(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind != STREAM_UNUSED)
            return false;
    return true;
}

/* --- The listener. --- */

unsigned redirect_events(struct pollfd events[REDIRECT_EVENTS])
{
    unsigned count = 0;
    if (!lock_take(&state.lock, 0)) /* the worker ends an evaluation, and wakes us afterwards */
        return 0;
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind == STREAM_TEED)
            events[count++] = stream_events(&state.streams[i]);
    if (state.running)
        events[count++] = relay_events(&state.relay);
    lock_release(&state.lock);
    return count;
}

long redirect_timeout(void)
{
    long timeout = -1;
    if (!lock_take(&state.lock, 0)) /* as above */
        return -1;
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind == STREAM_FOLLOWED)
            timeout = STREAM_FOLLOW_MS;
    lock_release(&state.lock);
    return timeout;
}

void redirect_step(void)
{
    if (!lock_take(&state.lock, 0))
        return;
    take_all();
    lock_release(&state.lock);
}

/* --- The worker. --- */

static struct stream *free_stream(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind == STREAM_UNUSED)
            return &state.streams[i];
    /* Many children that still print: the first of them no longer through us. */
    stream_bequeath(&state.streams[0]);
    return &state.streams[0];
}

static bool open_one(int fd)
{
    struct stream *stream = free_stream();
    bool opened = stream_open(stream, fd);
    state.live[stream - state.streams] = opened;
    return opened;
}

static bool join_one(int fd)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (state.live[i] && stream_join(&state.streams[i], fd))
            return true;
    return false;
}

void redirect_begin(struct output *output)
{
    output_flush(output);
    if (!lock_take(&state.lock, LOCK_MS))
        return;
    relay_begin(&state.relay, output);
    state.left = false;
    bool any = open_one(1);
    if (!state.without_stderr)
        any |= join_one(2) || open_one(2);
    state.running = any;
    lock_release(&state.lock);
    if (any)
        bell_ring();
}

/* Bytes that stdout holds back go out if its lock is free and nothing can make that wait. */
static uint64_t flush_stdout(void)
{
    if (fileno_unlocked(stdout) != 1 || ftrylockfile(stdout) != 0)
        return 0;
    size_t held = __fpending(stdout);
    if (held && held <= FLUSH_MAX_BYTES)
        fflush_unlocked(stdout);
    funlockfile(stdout);
    return held;
}

static void flush_guarded(void)
{
    uint64_t arguments[ARCH_ARGUMENTS] = {0}, held;
    struct guard_report report; /* a stdout that faults is the program's affair */
    guard_run(GUARD_CUT_WAITING, (uintptr_t)flush_stdout, arguments, &held, &report);
}

/* True when it was found quiet (within a time that depends on how long that is tried already). */
static bool is_quiet(uint64_t waited_ms)
{
    if (waited_ms >= WANT_QUIET_MS)
        return true;
    struct pollfd events[STREAMS];
    for (size_t i = 0; i < STREAMS; i++)
        events[i] = state.live[i] ? stream_events(&state.streams[i]) : (struct pollfd){.fd = -1};
    return sys_poll(events, STREAMS, QUIET_MS) == 0;
}

static bool has_teed(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (state.live[i] && state.streams[i].kind == STREAM_TEED)
            return true;
    return false;
}

/* Takes until a good moment for putting back has come, or too much time has passed. */
static void await_quiet(bool impatient)
{
    uint64_t begin = sys_now_ms();
    for (;;) {
        bool empty = take_all();
        uint64_t waited = sys_now_ms() - begin;
        if ((empty && (!has_teed() || is_quiet(waited))) || waited >= WANT_EMPTY_MS || impatient)
            return;
        if (!empty) {
            lock_release(&state.lock);
            sys_sleep_ms(1);
            while (!lock_take(&state.lock, LOCK_MS))
                ;
        }
    }
}

static void put_back(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind == STREAM_TEED)
            stream_put_back(&state.streams[i]);
    take_all();
    for (size_t i = 0; i < STREAMS; i++) {
        if (!state.live[i])
            continue;
        enum stream_state found = take_some(i);
        state.live[i] = false;
        if (state.streams[i].kind == STREAM_FOLLOWED || found == STREAM_ENDED)
            drop(i);
    }
}

void redirect_end(struct output *output)
{
    if (!state.running)
        return;
    flush_guarded();
    while (!lock_take(&state.lock, LOCK_MS))
        ;
    await_quiet(worker_interrupted());
    put_back();
    state.running = false;
    bool some_remain = !all_ended();
    lock_release(&state.lock);
    if (some_remain)
        bell_ring();
    relay_finish(&state.relay, output);
}

void redirect_bury(void)
{
    if (!state.running || !lock_take(&state.lock, LOCK_MS))
        return;
    await_quiet(false);
    put_back();
    state.running = false;
    state.left = true;
    lock_release(&state.lock);
}

void redirect_say_rest(struct output *output)
{
    if (!state.left)
        return;
    state.left = false;
    relay_finish(&state.relay, output);
}

/* --- The end. --- */

void redirect_close(void)
{
    if (all_ended() || !lock_take(&state.lock, LOCK_MS))
        return;
    put_back();
    state.running = false;
    uint64_t end = sys_now_ms() + CLOSE_MS;
    while (take_all(), !all_ended() && sys_now_ms() < end)
        sys_sleep_ms(1);
    for (size_t i = 0; i < STREAMS; i++)
        if (state.streams[i].kind != STREAM_UNUSED)
            stream_bequeath(&state.streams[i]);
    lock_release(&state.lock);
}

void redirect_forget(void)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (state.streams[i].kind == STREAM_UNUSED)
            continue;
        stream_put_back(&state.streams[i]);
        drop(i);
    }
    state.running = state.left = false;
}
