#include "payload/listener.h"

#include "payload/credentials.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/manhole.h"
#include "payload/protocol.h"
#include "payload/queue.h"
#include "payload/redirect.h"
#include "payload/session.h"
#include "payload/stacks.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"
#include "payload/turn_away.h"
#include "payload/worker.h"

#include <stdatomic.h>
#include <string.h>

/* Sanitizers complain on the program's stderr about less; only what is touched is used. */
#define STACK_BYTES (1u << 20)
/* accept(2) failed for want of something: descriptors, memory. */
#define BACK_OFF_MS 250
/* The listener answers the one who asks it to stop at most so long after his patience ends, ms. */
#define STOP_ANSWER_MS 1500
/* Clients that are answered in one go, so that the one who is served has his turn. */
#define ACCEPT_MAX 16
/* What is always waited for: to be woken, clients, the session. */
#define FIXED_FDS 3

static struct {
    struct thread thread;
    const struct descriptor *listening, *wake;
    const char *path;
    uint64_t accept_again_at;    /* ms; 0: now */
    _Atomic uint32_t stop;       /* 1: asked to */
    _Atomic uint32_t answer;     /* enum stop_answer */
    _Atomic uint64_t stop_until; /* ms */
    pid_t stuck;                 /* the thread that would not end */
} state;

/* --- Clients. --- */

/* Why a client cannot be served now, without newline. */
static void say_busy(char *line, size_t size)
{
    if (session_client())
        text_format(line, size, MANHOLE_BUSY ": held by pid %d", session_client());
    else
        text_format(line, size,
                    MANHOLE_BUSY ": what the last client ran has not ended yet (thread %d)",
                    worker_tid());
}

static void refuse(int fd, const struct ucred *peer)
{
    char line[160];
    struct descriptor socket = descriptor_take(fd);
    if (turn_away_is_logged())
        log_line("Can't accept client with PID:%d UID:%u GID:%u. It doesn't match the current "
                 "EUID:%u or ROOT.",
                 peer->pid, peer->uid, peer->gid, sys_geteuid());
    text_format(line, sizeof(line), MANHOLE_REFUSED ": uid %u may not, uid %u and root may\n",
                peer->uid, sys_geteuid());
    turn_away(&socket, line);
}

static void make_wait(int fd, const struct ucred *peer)
{
    char busy[128], line[160];
    if (queue_add(fd, peer))
        return;
    struct descriptor socket = descriptor_take(fd);
    if (turn_away_is_logged())
        log_line("no room for client with PID:%d: too many wait", peer->pid);
    say_busy(busy, sizeof(busy));
    text_format(line, sizeof(line), "%s, and no more may wait\n", busy);
    turn_away(&socket, line);
}

static void serve(int fd, const struct ucred *peer)
{
    log_line("Accepted connection on fd:%d from PID:%d UID:%u GID:%u", fd, peer->pid, peer->uid,
             peer->gid);
    if (!session_begin(fd, peer))
        log_line("no memory for a session: connection closed");
}

static void welcome(int fd)
{
    struct ucred peer = {0};
    if (manhole_get_peercred(fd, &peer) != 0 || !credentials_suffice(&peer))
        refuse(fd, &peer);
    else if (session_active())
        make_wait(fd, &peer);
    else
        serve(fd, &peer);
}

/* Those who wait: who has left is forgotten, who is new is told, who is next is served. */
static void step_queue(const struct pollfd *fds, size_t count)
{
    char busy[128];
    int fd;
    struct ucred peer;
    say_busy(busy, sizeof(busy));
    queue_step(fds, count, busy);
    if (!session_active() && queue_take(&fd, &peer))
        serve(fd, &peer);
}

static void accept_clients(void)
{
    for (unsigned i = 0; i < ACCEPT_MAX; i++) {
        long fd = SYS_CALL(SYS_accept4, state.listening->fd, NULL, NULL,
                           SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0);
        if (fd >= 0)
            fd = sys_move_high(fd);
        if (fd >= 0) {
            welcome((int)fd);
            continue;
        }
        if (fd == -EINTR || fd == -ECONNABORTED)
            continue;
        if (fd != -EAGAIN) {
            char name[16];
            log_line("accept: %s: tried again later", text_errno((int)-fd, name));
            state.accept_again_at = sys_now_ms() + BACK_OFF_MS;
        }
        return;
    }
}

/* --- The end. --- */

static void answer_stop(enum stop_answer answer)
{
    atomic_store(&state.stop, 0);
    atomic_store(&state.answer, answer);
    lock_wake(&state.answer);
}

/* True when the thread is to end. */
static bool stop_step(void)
{
    if (!atomic_load(&state.stop))
        return false;
    queue_close("manhole: it is being closed\n");
    if (session_active())
        session_end("the manhole is being closed");
    session_step(0);
    if (!session_active() && stacks_at_rest()) {
        struct job stop = {.kind = JOB_STOP};
        worker_give(&stop);
        answer_stop(STOPPED);
        return true;
    }
    if (sys_now_ms() >= state.stop_until) {
        state.stuck = stacks_at_rest() ? worker_tid() : stacks_stuck_thread();
        answer_stop(STOP_REFUSED);
    }
    return false;
}

/* --- The loop. --- */

static long shortest(long one, long other)
{
    return one < 0 ? other : other < 0 || one < other ? one : other;
}

static long next_timeout(void)
{
    long timeout = shortest(session_timeout(), redirect_timeout());
    if (state.accept_again_at) {
        uint64_t now = sys_now_ms();
        timeout = shortest(timeout,
                           now < state.accept_again_at ? (long)(state.accept_again_at - now) : 0);
    }
    return atomic_load(&state.stop) ? shortest(timeout, 50) : timeout;
}

/* The program closed our descriptors under us, and may have its own there: nothing of them is
   touched any more. What is left is to wait for the end. */
static bool lost(void)
{
    return !descriptor_intact(state.wake) || !descriptor_intact(state.listening);
}

static void wait_for_stop(void)
{
    session_end(NULL);
    for (;;) {
        redirect_step();
        session_step(POLLNVAL);
        if (stop_step())
            return;
        lock_wait(&state.stop, 0, session_active() ? 100 : -1);
    }
}

static void listen_loop(void *argument)
{
    (void)argument;
    log_line("Manhole UDS path: %s", state.path);
    log_line("Waiting for new connection (in pid:%d) ...", sys_getpid());
    for (;;) {
        bool was_active = session_active();
        bool accepts = !state.accept_again_at && !session_ends_soon();
        struct pollfd fds[FIXED_FDS + REDIRECT_EVENTS + QUEUE_MAX] = {
            {.fd = state.wake->fd, .events = POLLIN},
            {.fd = accepts ? state.listening->fd : -1, .events = POLLIN},
            session_events(),
        };
        struct pollfd *of_queue = fds + FIXED_FDS + redirect_events(fds + FIXED_FDS);
        size_t waiting = queue_events(of_queue);
        /* EINVAL: RLIMIT_NOFILE is below their number. */
        if (sys_poll(fds, (unsigned)(of_queue + waiting - fds), next_timeout()) == -EINVAL)
            sys_sleep_ms(BACK_OFF_MS);
        if ((fds[0].revents || fds[1].revents) && lost()) {
            wait_for_stop();
            return;
        }
        char bytes[64];
        if (fds[0].revents)
            sys_read(state.wake->fd, bytes, sizeof(bytes)); /* only to make it quiet again */
        if (state.accept_again_at && sys_now_ms() >= state.accept_again_at)
            state.accept_again_at = 0;
        redirect_step();
        session_step(fds[2].revents);
        if (was_active && !session_active())
            log_line("Waiting for new connection (in pid:%d) ...", sys_getpid());
        if (stop_step())
            return;
        step_queue(of_queue, waiting);
        if (fds[1].revents && !session_ends_soon())
            accept_clients();
    }
}

int listener_start(const struct descriptor *listening, const char *path,
                   const struct descriptor *wake)
{
    state.path = path;
    state.listening = listening;
    state.wake = wake;
    state.accept_again_at = 0;
    atomic_store(&state.stop, 0);
    atomic_store(&state.answer, STOP_PENDING);
    return thread_start(&state.thread, "manhole", STACK_BYTES, listen_loop, NULL);
}

enum stop_answer listener_stop(const struct descriptor *wake, unsigned patience_ms, char *message,
                               size_t size)
{
    uint64_t end = sys_now_ms() + patience_ms + STOP_ANSWER_MS;
    atomic_store(&state.stop_until, sys_now_ms() + patience_ms);
    atomic_store(&state.answer, STOP_PENDING);
    atomic_store(&state.stop, 1);
    lock_wake(&state.stop);
    if (descriptor_intact(wake))
        sys_write(wake->fd, "", 1); /* fails only when it is readable anyway */
    enum stop_answer answer;
    while ((answer = (enum stop_answer)atomic_load(&state.answer)) == STOP_PENDING &&
           sys_now_ms() < end)
        lock_wait(&state.answer, STOP_PENDING, 100);
    if (answer == STOP_REFUSED)
        text_format(message, size, "thread %d does not end what the console made it run",
                    state.stuck);
    else if (answer == STOP_PENDING)
        text_format(message, size, "the listener (thread %d) does not answer", listener_tid());
    return answer;
}

void listener_join(void)
{
    thread_join(&state.thread);
}

void listener_forget(void)
{
    thread_forget(&state.thread);
}

pid_t listener_tid(void)
{
    return atomic_load(&state.thread.tid);
}
