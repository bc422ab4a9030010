/*
 * A thread for each thing outside of its memory that a thread may wait for; the argument is a
 * directory for its files. Awkward: the call names a descriptor or an id, and who is behind that
 * stands elsewhere: a child of this process holds the file locks, another one sits in vfork(2).
 */
#include "tests/targets/asleep.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

static char path[4096], byte;
static int listener, client, local, epoll, timer, ends[2], orphaned[2], file;
static pid_t holder;
static struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

static void open_sockets(void)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(inet);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    local = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(unix_address.sun_path, sizeof(unix_address.sun_path), "%.90s/socket", path);
    if (bind(listener, (struct sockaddr *)&inet, size) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&inet, &size) ||
        connect(client, (struct sockaddr *)&inet, size) ||
        bind(local, (struct sockaddr *)&unix_address, sizeof(unix_address)) || listen(local, 1))
        abort();
    printf("port %d\n", ntohs(inet.sin_port));
}

static void open_others(void)
{
    struct itimerspec hour = {.it_value = {.tv_sec = 3600}};
    struct epoll_event event = {.events = EPOLLPRI};
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(timer, 0, &hour, NULL);
    if (pipe(ends) || pipe(orphaned))
        abort();
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
}

/* Holds a lock of both kinds, and the other end of a pipe. */
static void start_holder(void)
{
    int held[2];
    pid_t parent = getpid();
    strcat(path, "/file");
    file = open(path, O_RDWR | O_CREAT, 0600);
    if (pipe(held))
        abort();
    holder = fork();
    if (holder == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "lock holder");
        int own = open(path, O_RDWR);
        flock(own, LOCK_EX);
        fcntl(own, F_SETLK, &whole);
        close(held[1]);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    close(held[1]);
    close(orphaned[1]);
    if (read(held[0], &byte, 1)) /* until it holds them and has closed its end */
        abort();
    close(held[0]);
    printf("holder %d\n", holder);
}

/* The parent sleeps until the child ends or executes something, which this one does not. */
static int stay_in_vfork(void)
{
    pid_t parent = getpid(), child = vfork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    return child;
}

static struct pollfd two[2];

#define CALLS(X)                                                 \
    X(tcp, recv(client, &byte, 1, 0))                            \
    X(unix, accept(local, NULL, NULL))                           \
    X(epoll, epoll_wait(epoll, &(struct epoll_event){0}, 1, -1)) \
    X(timer, read(timer, path, 8))                               \
    X(pipe, read(ends[0], &byte, 1))                             \
    X(orphan, read(orphaned[0], &byte, 1))                       \
    X(poll, poll(two, 2, -1))                                    \
    X(flock, flock(file, LOCK_EX))                               \
    X(record, fcntl(file, F_SETLKW, &whole))                     \
    X(child, waitpid(holder, NULL, 0))                           \
    X(any, waitpid(-1, NULL, 0))                                 \
    X(vfork, stay_in_vfork())

#define DEFINE(name, call)                                \
    static void *wait_##name(void *unused)                \
    {                                                     \
        pthread_setname_np(pthread_self(), #name);        \
        printf("returned " #name " %ld\n", (long)(call)); \
        return unused;                                    \
    }
CALLS(DEFINE)

#define ROW(name, call) wait_##name,
int main(int argc, char **argv)
{
    void *(*const bodies[])(void *) = {CALLS(ROW)};
    int count = sizeof(bodies) / sizeof(bodies[0]);
    snprintf(path, sizeof(path), "%.100s", argc > 1 ? argv[1] : ".");
    open_sockets();
    open_others();
    start_holder();
    two[0] = (struct pollfd){.fd = client, .events = POLLPRI};
    two[1] = (struct pollfd){.fd = listener, .events = POLLPRI};
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, bodies[i], NULL))
            return 1;
        while (count_asleep() < i + 1)
            usleep(1000);
    }
    ready_when_asleep(count);
    for (;;)
        pause();
}
