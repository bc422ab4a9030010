#include "payload/listener.h"

#include "payload/bell.h"
#include "payload/credentials.h"
#include "payload/endpoint.h"
#include "payload/fork.h"
#include "payload/lock.h"
#include "payload/log.h"
#include "payload/manhole.h"
#include "payload/orders.h"
#include "payload/protocol.h"
#include "payload/python_thread.h"
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
/* While it is asked to stop, and while it must look by itself, ms. */
#define STOP_STEP_MS 50
#define LOST_STEP_MS 100
/* Clients that are answered in one go, so that the one who is served has his turn. */
#define ACCEPT_MAX 16
/* What is always waited for: to be woken, clients, the session. */
#define FIXED_FDS 3
#define NO_MEMORY                                                                             \
    MANHOLE_BUSY ": the program has no memory left for a session; raise its limits (prlimit " \
                 "--as), then try again\n"
#define EXITING MANHOLE_BUSY ": the program is exiting\n"

static struct {
    struct thread thread;
    char path[108];
    struct listener_setup setup;
    _Atomic bool exiting; /* the program is: no more clients */
    struct endpoint endpoint;
    bool stays; /* the socket: it is not only there for one client */
    struct shot {
        struct order *order; /* NULL: nobody waits */
        bool attended;       /* its client has come */
        uint64_t until;      /* ms: so long for somebody to connect */
    } shot;
    uint64_t accept_again_at;    /* ms; 0: now */
    _Atomic uint32_t stop;       /* 1: asked to */
    _Atomic uint32_t answer;     /* enum stop_answer */
    _Atomic uint64_t stop_until; /* ms */
    pid_t stuck;                 /* the thread that would not end */
    const char *stuck_why;
} state;

/* What is waited for, and what came of it. */
struct events {
    struct pollfd fds[FIXED_FDS + 1 + REDIRECT_EVENTS + QUEUE_MAX];
    const struct pollfd *of_queue;
    size_t waiting; /* of them */
};
enum fixed { BELL, CLIENTS, SESSION };

/* For those who look from outside (manhole-attach --list): where we listen, "" when we do not. */
MANHOLE_API char manhole_socket_path[108];

/* --- The socket. --- */

static bool has_socket(void)
{
    return state.endpoint.listening.fd >= 0;
}

static void say_that_we_wait(void)
{
    log_line("Waiting for new connection (in pid:%d) ...", sys_getpid());
}

static int open_socket(char *message, size_t size)
{
    int status = bell_open_pipe(message, size);
    if (!status)
        status = endpoint_open(&state.endpoint, state.path, message, size);
    if (status)
        return status;
    text_copy(manhole_socket_path, sizeof(manhole_socket_path), state.path);
    log_line("Manhole UDS path: %s", state.path);
    say_that_we_wait();
    return 0;
}

static void close_socket(void)
{
    manhole_socket_path[0] = '\0';
    endpoint_close(&state.endpoint);
    state.stays = false;
}

static void take_wish(void)
{
    char message[512] = "";
    if (!orders_take_wish())
        return;
    int status = has_socket() ? 0 : open_socket(message, sizeof(message));
    if (status)
        log_line("Activation failure: %s", message);
    else
        state.stays = true;
    orders_answer_wish(status, message);
}

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

static int serve(int fd, const struct ucred *peer)
{
    log_line("Accepted connection on fd:%d from PID:%d UID:%u GID:%u", fd, peer->pid, peer->uid,
             peer->gid);
    if (session_begin(fd, peer)) {
        state.shot.attended = true; /* if anybody waits for one */
        return 0;
    }
    struct descriptor socket = descriptor_take(fd);
    log_line("no memory for a session: connection closed");
    turn_away(&socket, NO_MEMORY);
    return ENOMEM;
}

static void turn_away_at_exit(int fd)
{
    struct descriptor socket = descriptor_take(fd);
    turn_away(&socket, EXITING);
}

static void welcome(int fd)
{
    struct ucred peer = {0};
    if (manhole_get_peercred(fd, &peer) != 0 || !credentials_suffice(&peer))
        refuse(fd, &peer);
    else if (session_active())
        make_wait(fd, &peer);
    else if (atomic_load(&state.exiting))
        turn_away_at_exit(fd);
    else
        serve(fd, &peer);
}

/* The client that a thread of the program has brought, and waits for: it does not wait itself. */
static int welcome_brought(int fd)
{
    struct ucred peer = {0};
    if (manhole_get_peercred(fd, &peer) != 0 || !credentials_suffice(&peer)) {
        refuse(fd, &peer);
        return MANHOLE_SUSPICIOUS_CLIENT;
    }
    if (!session_active())
        return serve(fd, &peer);
    char busy[128], line[160];
    struct descriptor socket = descriptor_take(fd);
    say_busy(busy, sizeof(busy));
    text_format(line, sizeof(line), "%s\n", busy);
    turn_away(&socket, line);
    return EBUSY;
}

/* Those who wait: who has left is forgotten, who is new is told, who is next is served. */
static void step_queue(const struct events *events)
{
    char busy[128];
    int fd;
    struct ucred peer;
    say_busy(busy, sizeof(busy));
    queue_step(events->of_queue, events->waiting, busy);
    if (atomic_load(&state.exiting))
        queue_close(EXITING);
    if (!session_active() && queue_take(&fd, &peer))
        serve(fd, &peer);
}

static void accept_clients(void)
{
    for (unsigned i = 0; i < ACCEPT_MAX; i++) {
        long fd = SYS_CALL(SYS_accept4, state.endpoint.listening.fd, NULL, NULL,
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

/* --- One client while a thread waits. --- */

static void finish_shot(int status, const char *why)
{
    struct order *order = state.shot.order;
    bool oneshot = order->fd < 0;
    state.shot = (struct shot){0};
    if (oneshot && !state.stays) {
        queue_close("manhole: it was open for one client\n");
        close_socket();
    }
    if (status && oneshot)
        log_line("Oneshot failure: %s", why);
    orders_finish(order, status);
}

static void begin_shot(void)
{
    char why[512] = "there is no memory for a session";
    int status = 0;
    state.shot.until = sys_now_ms() + state.setup.oneshot_timeout_ms;
    if (state.shot.order->fd >= 0) {
        status = bell_open_pipe(why, sizeof(why));
        if (status)
            sys_close(state.shot.order->fd);
        else
            status = welcome_brought(state.shot.order->fd);
        state.shot.attended = true;
    } else if (session_active()) {
        text_format(why, sizeof(why), "there is a client already, or what one ran has not ended");
        status = EBUSY;
    } else if (!has_socket()) {
        status = open_socket(why, sizeof(why));
    }
    if (status)
        finish_shot(status, why);
}

/* The thread goes on as soon as its client is gone, though what that one ran may not have ended. */
static void shot_step(void)
{
    if (!state.shot.order) {
        /* What ends by itself in a moment is no other client. */
        if (session_ends_soon() || !(state.shot.order = orders_take()))
            return;
        state.shot.attended = false;
        begin_shot();
        return;
    }
    if (state.shot.attended ? !session_attended() : sys_now_ms() >= state.shot.until)
        finish_shot(state.shot.attended ? 0 : ETIMEDOUT, "nobody connected in time");
}

/* --- The end. --- */

static void answer_stop(enum stop_answer answer)
{
    atomic_store(&state.stop, 0);
    atomic_store(&state.answer, answer);
    lock_wake(&state.answer);
}

/* Nobody is kept waiting. */
static void drop_orders(void)
{
    if (!state.shot.order)
        state.shot.order = orders_take();
    if (state.shot.order) {
        if (state.shot.order->fd >= 0 && !state.shot.attended)
            sys_close(state.shot.order->fd);
        finish_shot(ECANCELED, "the manhole is being closed");
    }
}

static void find_stuck(void)
{
    state.stuck = stacks_at_rest() ? worker_tid() : stacks_stuck_thread();
    state.stuck_why = "does not end what the console made it run";
    if (!stacks_at_rest() || session_active())
        return;
    state.stuck = python_thread_tid();
    state.stuck_why = python_thread_state();
}

/* True when the thread is to end. */
static bool stop_step(void)
{
    if (!atomic_load(&state.stop))
        return false;
    queue_close("manhole: it is being closed\n");
    orders_close();
    if (session_active())
        session_end("the manhole is being closed");
    session_step(0);
    drop_orders();
    if (!session_active() && stacks_at_rest() && python_thread_at_rest()) {
        struct job stop = {.kind = JOB_STOP};
        worker_give(&stop);
        answer_stop(STOPPED);
        return true;
    }
    if (sys_now_ms() >= state.stop_until) {
        find_stuck();
        orders_open();
        answer_stop(STOP_REFUSED);
    }
    return false;
}

/* --- The loop. --- */

static long shortest(long one, long other)
{
    return one < 0 ? other : other < 0 || one < other ? one : other;
}

static long time_until(uint64_t moment)
{
    uint64_t now = sys_now_ms();
    return now < moment ? (long)(moment - now) : 0;
}

static long next_timeout(void)
{
    long timeout = shortest(session_timeout(), shortest(redirect_timeout(), queue_timeout()));
    if (state.accept_again_at)
        timeout = shortest(timeout, time_until(state.accept_again_at));
    if (state.shot.order && !state.shot.attended)
        timeout = shortest(timeout, time_until(state.shot.until));
    return atomic_load(&state.stop) ? shortest(timeout, STOP_STEP_MS) : timeout;
}

/*
 * The program closed our descriptors under us, and may have its own there: nothing of them is
 * touched any more. The socket's file stays, for whoever connects to be refused, until we are
 * closed or activated again.
 */
static void drop_lost(void)
{
    if (has_socket() && !descriptor_intact(&state.endpoint.listening)) {
        manhole_socket_path[0] = '\0';
        state.endpoint.listening = DESCRIPTOR_NONE;
        state.stays = false;
        if (state.shot.order && !state.shot.attended)
            finish_shot(EBADF, "the program closed the socket");
    }
    char ignored[64];
    if ((has_socket() || session_active()) && bell_descriptor() < 0)
        bell_open_pipe(ignored, sizeof(ignored)); /* if not, there is wait_for_events's own clock */
}

/* Sleeps until something happens. */
static void wait_for_events(uint32_t rings, struct events *events)
{
    struct pollfd *fds = events->fds;
    bool accepts = has_socket() && !state.accept_again_at && !session_ends_soon();
    fds[BELL] = (struct pollfd){.fd = bell_descriptor(), .events = POLLIN};
    fds[CLIENTS] =
        (struct pollfd){.fd = accepts ? state.endpoint.listening.fd : -1, .events = POLLIN};
    fds[SESSION] = session_events();
    /* The others only where there are some: where RLIMIT_NOFILE is low, poll takes no more. */
    unsigned count = FIXED_FDS;
    fds[count] = session_printed_events();
    count += fds[count].fd >= 0;
    count += redirect_events(fds + count);
    struct pollfd *of_queue = fds + count;
    events->of_queue = of_queue;
    events->waiting = queue_events(of_queue);
    count += (unsigned)events->waiting;
    if (!has_socket() && !session_active() && count == FIXED_FDS) {
        bell_wait(rings, next_timeout());
        return;
    }
    /* One that rang before there was a pipe is not heard through it. */
    long timeout = bell_rings() == rings ? next_timeout() : 0;
    if (fds[BELL].fd < 0)
        timeout = shortest(timeout, LOST_STEP_MS);
    /* EINVAL: RLIMIT_NOFILE is below their number. */
    if (sys_poll(fds, count, timeout) == -EINVAL)
        sys_sleep_ms(BACK_OFF_MS);
    if (fds[BELL].revents && bell_descriptor() >= 0)
        bell_hush();
}

/* False when the thread is to end. */
static bool wait_for_delay(void)
{
    char delay[24];
    fork_format_delay(state.setup.delay_ms, delay, sizeof(delay));
    log_line("Fork detected. Reinstalling Manhole.");
    log_line("Delaying UDS binding %s seconds ...", delay);
    uint64_t end = sys_now_ms() + state.setup.delay_ms;
    for (;;) {
        uint32_t rings = bell_rings();
        if (stop_step())
            return false;
        long left = time_until(end);
        if (!left)
            return true;
        bell_wait(rings, left);
    }
}

/* False when the thread is to end. */
static bool begin_in_child(void)
{
    if (!wait_for_delay())
        return false;
    if (state.setup.begin_late()) {
        orders_want_socket();
        return true;
    }
    log_line("no manhole for this child: a thread cannot be started");
    uint32_t rings = bell_rings();
    for (; !stop_step(); rings = bell_rings())
        bell_wait(rings, -1);
    return false;
}

static void listen_loop(void *argument)
{
    (void)argument;
    if (state.setup.begin_late && !begin_in_child())
        return;
    if (state.setup.first_line)
        log_line("%s", state.setup.first_line);
    for (;;) {
        uint32_t rings = bell_rings();
        if (stop_step())
            return;
        take_wish();
        shot_step();
        bool was_active = session_active();
        struct events events;
        memset(&events, 0, sizeof(events));
        wait_for_events(rings, &events);
        if (state.accept_again_at && sys_now_ms() >= state.accept_again_at)
            state.accept_again_at = 0;
        redirect_step();
        session_step(events.fds[SESSION].revents);
        if (!session_active())
            python_thread_at_rest();
        drop_lost();
        if (was_active && !session_active() && state.stays)
            say_that_we_wait();
        if (atomic_load(&state.stop))
            continue;
        shot_step(); /* before the next client is taken for the one that has left */
        step_queue(&events);
        if (events.fds[CLIENTS].revents && has_socket() && !session_ends_soon())
            accept_clients();
    }
}

int listener_start(const struct listener_setup *setup)
{
    text_copy(state.path, sizeof(state.path), setup->path);
    state.setup = *setup;
    atomic_store(&state.exiting, false);
    state.endpoint = ENDPOINT_NONE;
    state.stays = false;
    state.shot = (struct shot){0};
    state.accept_again_at = 0;
    bell_init();
    orders_init();
    atomic_store(&state.stop, 0);
    atomic_store(&state.answer, STOP_PENDING);
    return thread_start(&state.thread, "manhole", STACK_BYTES, listen_loop, NULL);
}

bool listener_wait_started(uint64_t end)
{
    return thread_wait_started(&state.thread, end);
}

bool listener_listens(void)
{
    return manhole_socket_path[0] != '\0';
}

enum stop_answer listener_stop(unsigned patience_ms, char *message, size_t size)
{
    uint64_t end = sys_now_ms() + patience_ms + STOP_ANSWER_MS;
    uint32_t answer = STOP_REFUSED; /* of an earlier time */
    atomic_compare_exchange_strong(&state.answer, &answer, STOP_PENDING);
    atomic_store(&state.stop_until, sys_now_ms() + patience_ms);
    atomic_store(&state.stop, 1);
    bell_ring();
    while ((answer = atomic_load(&state.answer)) == STOP_PENDING && sys_now_ms() < end)
        lock_wait(&state.answer, STOP_PENDING, 100);
    if (answer == STOP_REFUSED)
        text_format(message, size, "thread %d %s", state.stuck, state.stuck_why);
    else if (answer == STOP_PENDING)
        text_format(message, size, "the listener (thread %d) does not answer", listener_tid());
    return (enum stop_answer)answer;
}

void listener_join(void)
{
    thread_join(&state.thread);
    close_socket();
    bell_deinit();
}

void listener_forget(void)
{
    thread_forget(&state.thread);
    orders_forget();
    manhole_socket_path[0] = '\0';
    endpoint_forget(&state.endpoint);
    state.stays = false;
    bell_deinit();
}

void listener_unlink(void)
{
    endpoint_unlink(&state.endpoint);
}

pid_t listener_tid(void)
{
    return (pid_t)atomic_load(&state.thread.tid);
}

void listener_announce_exit(void)
{
    atomic_store(&state.exiting, true);
    session_announce("the program is exiting: it waits for you to leave ('quit')");
    bell_ring();
}
