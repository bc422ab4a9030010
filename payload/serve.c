/*
 * What a program calls to have a client served, from now on or here and now: the listener and the
 * worker do it, while the caller waits.
 */
#include "payload/install.h"
#include "payload/listener.h"
#include "payload/manhole.h"
#include "payload/orders.h"
#include "payload/pump.h"
#include "payload/sys.h"
#include "payload/worker.h"

int manhole_activate(void)
{
    char message[512];
    int status = install_enter();
    if (status)
        return status;
    status = install_activate(message, sizeof(message));
    install_leave(message);
    return status;
}

/* Gives the order, if that can be done at all. */
static int give(struct order *order)
{
    int status = install_enter();
    if (status)
        return status;
    const char *message = "";
    if (sys_gettid() == worker_tid() || sys_gettid() == listener_tid()) {
        status = EDEADLK;
        message = "the manhole's own thread cannot wait for a client";
    } else if (!orders_give(order)) {
        status = EBUSY;
        message = "another thread waits for its client already";
    }
    install_leave(message);
    return status;
}

int manhole_handle_oneshot(void)
{
    struct order order = {.fd = -1};
    int status = give(&order);
    if (status)
        return status;
    orders_wait(&order);
    return order.status;
}

int manhole_handle(int fd)
{
    struct ucred peer;
    int status = manhole_get_peercred(fd, &peer);
    if (status)
        return status;
    long own = sys_duplicate_high(fd);
    if (own < 0)
        return (int)-own;
    struct order order = {.fd = (int)own};
    status = give(&order);
    if (status) {
        sys_close((int)own);
        return status;
    }
    orders_wait(&order);
    return order.status;
}

/* A pair of sockets, out of the program's way. */
static int make_pair(int ends[2])
{
    long status = SYS_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends, 0, 0);
    if (status < 0)
        return (int)-status;
    for (size_t i = 0; i < 2; i++) {
        long moved = sys_move_high(ends[i]);
        ends[i] = (int)moved;
        if (moved < 0)
            status = moved;
    }
    for (size_t i = 0; i < 2 && status < 0; i++)
        if (ends[i] >= 0)
            sys_close(ends[i]);
    return (int)-status;
}

int manhole_run_repl(int fd)
{
    long flags = sys_fcntl(fd, F_GETFL, 0);
    if (flags < 0 || (flags & O_ACCMODE) != O_RDWR)
        return flags < 0 ? (int)-flags : EINVAL;
    int ends[2];
    int status = make_pair(ends);
    if (status)
        return status;
    struct order order = {.fd = ends[0]};
    status = give(&order);
    if (status) {
        sys_close(ends[0]);
    } else {
        pump_run(fd, ends[1]);
        /* If the stream was given up, the session sees its client leave. */
        SYS_CALL(SYS_shutdown, ends[1], SHUT_RDWR, 0, 0, 0, 0);
        orders_wait(&order);
        status = order.status;
    }
    sys_close(ends[1]);
    return status;
}
