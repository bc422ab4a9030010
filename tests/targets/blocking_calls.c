/*
 * A thread in each call that may block; none ever gets a reason to return, so a line "returned"
 * names one that was disturbed, and its errno. Awkward: some of these give EINTR to the program
 * whenever the thread is merely stopped and continued (signal(7)), some only where they have a
 * time-out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct timespec hour = {.tv_sec = 3600};
static struct epoll_event event;
static sigset_t some_signals, no_signals;
static siginfo_t info;
static char bytes[1 << 20];
static struct iovec vector = {bytes, sizeof(bytes)};
static struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
static struct mmsghdr headers = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
static struct io_event aio_event;
static int word, queue, semaphores;
static struct sembuf take_one = {.sem_op = -1};
static sem_t empty;
static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_t main_thread;
static pid_t child;
static char lock_path[] = "/tmp/blocking_calls.XXXXXX";

static int read_end(void)
{
    int ends[2];
    return pipe(ends) ? -1 : ends[0];
}

static int full_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK))
        return -1;
    while (write(ends[1], bytes, 4096) > 0)
        continue;
    fcntl(ends[1], F_SETFL, 0);
    return ends[1];
}

static int watch(void)
{
    int fd = inotify_init();
    inotify_add_watch(fd, "/proc/self/task", IN_DELETE_SELF);
    return fd;
}

/* A connected socket; one with a full buffer; one that listens. */
enum kind { CONNECTED, FULL, LISTENING };
static int socket_of(enum kind kind, int with_timeout)
{
    int ends[2];
    struct timeval hours = {.tv_sec = 3600};
    if (kind == LISTENING)
        listen(ends[0] = socket(AF_INET, SOCK_STREAM, 0), 1); /* on a free port of its choice */
    else if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return -1;
    while (kind == FULL && send(ends[0], bytes, 4096, MSG_DONTWAIT) > 0)
        continue;
    if (with_timeout) {
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &hours, sizeof(hours));
        setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &hours, sizeof(hours));
    }
    return ends[0];
}

static aio_context_t aio(void)
{
    aio_context_t context = 0;
    return syscall(SYS_io_setup, 1, &context) ? 0 : context;
}

static long uring_wait(void)
{
    struct io_uring_params parameters = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &parameters);
    return fd < 0 ? -1 : syscall(SYS_io_uring_enter, fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

static long record_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(lock_path, O_RDWR);
    return fcntl(fd, F_OFD_SETLKW, &lock);
}

static long waitv(void)
{
    struct futex_waitv one = {.uaddr = (uintptr_t)&word, .flags = FUTEX_32};
    return syscall(SYS_futex_waitv, &one, 1, 0, NULL, 0);
}

static long message_queue(void)
{
    char name[64];
    snprintf(name, sizeof(name), "/blocking_calls.%d", getpid());
    mqd_t descriptor = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    mq_unlink(name);
    return descriptor < 0 ? -1 : mq_receive(descriptor, bytes, sizeof(bytes), NULL);
}

#define CALLS(X)                                                                              \
    X(epoll_wait, epoll_wait(epoll_create1(0), &event, 1, -1))                                \
    X(epoll_wait_time, epoll_wait(epoll_create1(0), &event, 1, 3600000))                      \
    X(epoll_pwait, epoll_pwait(epoll_create1(0), &event, 1, -1, &no_signals))                 \
    X(epoll_pwait2, epoll_pwait2(epoll_create1(0), &event, 1, &hour, NULL))                   \
    X(poll, poll(&(struct pollfd){read_end(), POLLIN, 0}, 1, -1))                             \
    X(poll_time, poll(&(struct pollfd){read_end(), POLLIN, 0}, 1, 3600000))                   \
    X(ppoll, ppoll(&(struct pollfd){read_end(), POLLIN, 0}, 1, &hour, &no_signals))           \
    X(select, select(0, NULL, NULL, NULL, &(struct timeval){.tv_sec = 3600}))                 \
    X(pselect, pselect(0, NULL, NULL, NULL, &hour, &no_signals))                              \
    X(nanosleep, nanosleep(&hour, NULL))                                                      \
    X(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL))                      \
    X(pause, pause())                                                                         \
    X(sigtimedwait, sigtimedwait(&some_signals, &info, &hour))                                \
    X(sigwaitinfo, sigwaitinfo(&some_signals, &info))                                         \
    X(sigsuspend, sigsuspend(&no_signals))                                                    \
    X(semop, semop(semaphores, &take_one, 1))                                                 \
    X(semtimedop, semtimedop(semaphores, &take_one, 1, &hour))                                \
    X(msgrcv, msgrcv(queue, bytes, 1, 0, 0))                                                  \
    X(mq_receive, message_queue())                                                            \
    X(inotify_read, read(watch(), bytes, sizeof(bytes)))                                      \
    X(timerfd_read, read(timerfd_create(CLOCK_MONOTONIC, 0), bytes, 8))                       \
    X(pipe_read, read(read_end(), bytes, 1))                                                  \
    X(pipe_write, write(full_pipe(), bytes, 1))                                               \
    X(recv, recv(socket_of(CONNECTED, 0), bytes, 1, 0))                                       \
    X(recv_time, recv(socket_of(CONNECTED, 1), bytes, 1, 0))                                  \
    X(recvmsg_time, recvmsg(socket_of(CONNECTED, 1), &header, 0))                             \
    X(recvmmsg_time, recvmmsg(socket_of(CONNECTED, 1), &headers, 1, 0, &hour))                \
    X(read_time, read(socket_of(CONNECTED, 1), bytes, 1))                                     \
    X(readv_time, readv(socket_of(CONNECTED, 1), &vector, 1))                                 \
    X(send_time, send(socket_of(FULL, 1), bytes, 4096, 0))                                    \
    X(sendmsg_time, sendmsg(socket_of(FULL, 1), &header, 0))                                  \
    X(write_time, write(socket_of(FULL, 1), bytes, 4096))                                     \
    X(accept, accept(socket_of(LISTENING, 0), NULL, NULL))                                    \
    X(accept_time, accept(socket_of(LISTENING, 1), NULL, NULL))                               \
    X(accept4_time, accept4(socket_of(LISTENING, 1), NULL, NULL, 0))                          \
    X(io_getevents, syscall(SYS_io_getevents, aio(), 1, 1, &aio_event, NULL))                 \
    X(io_pgetevents, syscall(SYS_io_pgetevents, aio(), 1, 1, &aio_event, NULL, NULL))         \
    X(io_uring_enter, uring_wait())                                                           \
    X(sem_wait, sem_wait(&empty))                                                             \
    X(sem_clockwait, sem_clockwait(&empty, CLOCK_MONOTONIC, &(struct timespec){1L << 40, 0})) \
    X(futex_mutex, pthread_mutex_lock(&taken))                                                \
    X(futex_cond, pthread_mutex_lock(&own) ?: pthread_cond_wait(&never, &own))                \
    X(futex_time, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &hour, NULL, 0))                   \
    X(futex_bitset, syscall(SYS_futex, &word + 1, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1))       \
    X(futex_waitv, waitv())                                                                   \
    X(join, pthread_join(main_thread, NULL))                                                  \
    X(wait4, waitpid(child, NULL, 0))                                                         \
    X(waitid, waitid(P_PID, (id_t)child, &info, WEXITED))                                     \
    X(flock, flock(open(lock_path, O_RDWR), LOCK_EX))                                         \
    X(record_lock, record_lock())

#define DEFINE(name, call)        \
    static long call_##name(void) \
    {                             \
        return call;              \
    }
CALLS(DEFINE)

#define ROW(name, call) {#name, call_##name},
static const struct row {
    const char *name;
    long (*call)(void);
} rows[] = {CALLS(ROW)};

static void *run(void *argument)
{
    const struct row *row = argument;
    pthread_setname_np(pthread_self(), row->name);
    errno = 0;
    long result = row->call();
    /* What this kernel or sandbox does not have says so at once, and is no disturbance. */
    int missing = errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EINVAL;
    printf("%s %s: %ld, %s\n", missing ? "missing" : "returned", row->name, result,
           strerror(errno));
    fflush(stdout);
    return NULL;
}

static void hold_locks(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = mkstemp(lock_path);
    flock(fd, LOCK_EX);
    fcntl(fd, F_OFD_SETLK, &lock);
    pthread_mutex_lock(&taken);
}

/* The queue and the semaphores must go with us; their removal wakes threads, so a child does it. */
static void remove_ipc_after(pid_t parent)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (getppid() == parent)
        usleep(20000);
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    unlink(lock_path);
    _exit(0);
}

int main(void)
{
    sigemptyset(&no_signals);
    sigemptyset(&some_signals);
    sigaddset(&some_signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &some_signals, NULL);
    queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    sem_init(&empty, 0, 0);
    hold_locks();
    main_thread = pthread_self();
    pid_t parent = getpid();
    child = fork();
    if (child == 0)
        remove_ipc_after(parent);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)&rows[i]))
            return 1;
    }
    usleep(300000); /* to let them block; a later one would do no harm */
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
