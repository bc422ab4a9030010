#include "payload/listener.h"

#include "payload/lock.h"
#include "payload/log.h"
#include "payload/protocol.h"
#include "payload/session.h"
#include "payload/stacks.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"
#include "payload/worker.h"

#include <stdatomic.h>
#include <string.h>

#define STACK_BYTES (128u << 10)
/* accept(2) failed for want of something: descriptors, memory. */
#define BACK_OFF_MS 250
/* How long an evaluation may take to end when the manhole is to be closed, ms. */
#define STOP_PATIENCE_MS 2500
/* How long the one who asked for it waits for the listener's answer: longer than that. */
#define STOP_ANSWER_MS 4000

static struct {
    struct thread thread;
    int socket_fd, wake_fd;
    const char *path;
    uint64_t accept_again_at; /* ms; 0: now */
    _Atomic bool stop;
    _Atomic uint32_t answer; /* enum stop_answer */
    uint64_t stop_until;     /* ms; 0: not asked to stop */
    pid_t stuck;             /* the thread that would not end */
} state;

/* --- Clients. --- */

static void turn_away(int fd, const char *line)
{
    char ignored[256];
    sys_send(fd, line, strlen(line)); /* it fits into an empty buffer, or nobody is there */
    /* What it has sent is taken: closing with unread data would reset the connection under it. */
    while (sys_recv(fd, ignored, sizeof(ignored)) > 0)
        ;
    sys_close(fd);
}

/*
 * Root, and whoever this process is at this moment. The kernel reports uids as seen from our user
 * namespace; 65534 stands for those that have no place in it, and is then nobody we know.
 */
static bool may_enter(const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == sys_geteuid();
}

static void welcome(int fd)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    long status = SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size, 0);
    char line[160];
    if (status < 0 || !may_enter(&peer)) {
        log_line("Can't accept client with PID:%d UID:%u GID:%u. It doesn't match the current "
                 "EUID:%u or ROOT.",
                 peer.pid, peer.uid, peer.gid, sys_geteuid());
        text_format(line, sizeof(line), MANHOLE_REFUSED ": uid %u may not, uid %u and root may\n",
                    peer.uid, sys_geteuid());
        turn_away(fd, line);
        return;
    }
    if (session_active()) {
        if (session_client())
            text_format(line, sizeof(line), MANHOLE_BUSY ": held by pid %d\n", session_client());
        else
            text_format(line, sizeof(line),
                        MANHOLE_BUSY ": what the last client ran has not ended yet (thread %d)\n",
                        worker_tid());
        turn_away(fd, line);
        return;
    }
    log_line("Accepted connection on fd:%d from PID:%d UID:%u GID:%u", fd, peer.pid, peer.uid,
             peer.gid);
    if (!session_begin(fd, &peer))
        log_line("no memory for a session: connection closed");
}

static void accept_clients(void)
{
    for (;;) {
        long fd =
            SYS_CALL(SYS_accept4, state.socket_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0);
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
    state.stop_until = 0;
    atomic_store(&state.stop, false);
    atomic_store(&state.answer, answer);
    lock_wake(&state.answer);
}

/* True when the thread is to end. */
static bool stop_step(void)
{
    if (!atomic_load(&state.stop))
        return false;
    if (!state.stop_until)
        state.stop_until = sys_now_ms() + STOP_PATIENCE_MS;
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
    long timeout = session_timeout();
    if (state.accept_again_at) {
        uint64_t now = sys_now_ms();
        timeout = shortest(timeout,
                           now < state.accept_again_at ? (long)(state.accept_again_at - now) : 0);
    }
    return state.stop_until ? shortest(timeout, 50) : timeout;
}

static void listen_loop(void *argument)
{
    (void)argument;
    log_line("Manhole UDS path: %s", state.path);
    log_line("Waiting for new connection (in pid:%d) ...", sys_getpid());
    for (;;) {
        bool was_active = session_active();
        struct pollfd fds[] = {
            {.fd = state.wake_fd, .events = POLLIN},
            {.fd = state.accept_again_at ? -1 : state.socket_fd, .events = POLLIN},
            session_events(),
        };
        sys_poll(fds, 3, next_timeout());
        uint64_t count;
        if (fds[0].revents)
            sys_read(state.wake_fd, &count, sizeof(count)); /* only to make it quiet again */
        if (state.accept_again_at && sys_now_ms() >= state.accept_again_at)
            state.accept_again_at = 0;
        session_step(fds[2].revents);
        if (was_active && !session_active())
            log_line("Waiting for new connection (in pid:%d) ...", sys_getpid());
        if (stop_step())
            return;
        if (fds[1].revents)
            accept_clients();
    }
}

int listener_start(int socket_fd, const char *path, int wake_fd)
{
    state.path = path;
    state.socket_fd = socket_fd;
    state.wake_fd = wake_fd;
    state.accept_again_at = state.stop_until = 0;
    atomic_store(&state.stop, false);
    atomic_store(&state.answer, STOP_PENDING);
    return thread_start(&state.thread, "manhole", STACK_BYTES, listen_loop, NULL);
}

enum stop_answer listener_stop(char *message, size_t size)
{
    uint64_t one = 1, end = sys_now_ms() + STOP_ANSWER_MS;
    atomic_store(&state.answer, STOP_PENDING);
    atomic_store(&state.stop, true);
    sys_write(state.wake_fd, &one, sizeof(one));
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
