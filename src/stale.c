#include "src/stale.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define DIRECTORY "/tmp"
#define PREFIX "manhole-"
/* bind(2) makes the file first, and then the socket known to be there: so long it is not judged. */
#define YOUNG_S 1

enum served {
    SERVED_BY_NOBODY,
    SERVED_BY_SOMEBODY,
    SERVED_UNKNOWN,
};

/* The number of "manhole-4711", as the payload writes it; 0: another name. */
static pid_t pid_in_name(const char *name)
{
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    const char *digits = name + strlen(PREFIX);
    size_t length = strspn(digits, "0123456789");
    if (*digits == '0' || length == 0 || length > 9 || digits[length])
        return 0;
    return atoi(digits);
}

/* `file` is an O_PATH descriptor: what it names cannot change under us. */
static enum served who_serves(int file)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
    if (fd < 0)
        return SERVED_UNKNOWN;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EPROTOTYPE)
        return SERVED_BY_SOMEBODY;
    return errno == ECONNREFUSED ? SERVED_BY_NOBODY : SERVED_UNKNOWN;
}

static bool is_young(const struct stat *status)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_t age = now.tv_sec - status->st_ctim.tv_sec;
    return age >= -YOUNG_S && age <= YOUNG_S;
}

static const char *kind_name(mode_t mode)
{
    return S_ISDIR(mode)   ? "a directory"
           : S_ISLNK(mode) ? "a symbolic link"
           : S_ISREG(mode) ? "a regular file"
                           : "no socket";
}

static void say_why_stale(struct stale_socket *socket)
{
    bool gone = kill(socket->pid, 0) < 0 && errno == ESRCH;
    snprintf(socket->why, sizeof(socket->why),
             gone ? "there is no process %d" : "process %d does not serve it", socket->pid);
}

static void leave(struct stale_socket *socket, const char *why)
{
    socket->fate = STALE_LEFT;
    snprintf(socket->why, sizeof(socket->why), "%s", why);
}

/* The name is removed only while it still is that of `file`, which nobody serves. */
static void remove_socket(int directory, const char *name, int file, const struct stat *status,
                          struct stale_socket *socket)
{
    struct stat now;
    if (geteuid() != 0 && status->st_uid != geteuid()) {
        leave(socket, "another user's");
    } else if (who_serves(file) != SERVED_BY_NOBODY ||
               fstatat(directory, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
               now.st_dev != status->st_dev || now.st_ino != status->st_ino) {
        leave(socket, "it changes while we look");
    } else if (unlinkat(directory, name, 0) == 0) {
        socket->fate = STALE_REMOVED;
    } else {
        socket->failed = true;
        leave(socket, strerror(errno));
    }
}

/* True when there is something to tell of it. */
static bool judge(int directory, const char *name, bool clean, struct stale_sockets *sockets,
                  struct stale_socket *socket)
{
    CLEANUP_CLOSE int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0)
        return false; /* it is gone */
    socket->uid = status.st_uid;
    if (!S_ISSOCK(status.st_mode)) {
        leave(socket, kind_name(status.st_mode));
        return clean;
    }
    if (is_young(&status))
        return false;
    enum served served = who_serves(file);
    sockets->unknown += served == SERVED_UNKNOWN;
    if (served != SERVED_BY_NOBODY)
        return false;
    say_why_stale(socket);
    if (clean)
        remove_socket(directory, name, file, &status, socket);
    return true;
}

static bool append(struct stale_sockets *sockets, const struct stale_socket *socket)
{
    struct stale_socket *larger =
        reallocarray(sockets->sockets, sockets->count + 1, sizeof(*larger));
    if (!larger)
        return false;
    sockets->sockets = larger;
    larger[sockets->count++] = *socket;
    return true;
}

static int compare_sockets(const void *one, const void *other)
{
    pid_t a = ((const struct stale_socket *)one)->pid,
          b = ((const struct stale_socket *)other)->pid;
    return (a > b) - (a < b);
}

struct error *stale_find(bool clean, struct stale_sockets *ret)
{
    *ret = (struct stale_sockets){0};
    CLEANUP_CLOSEDIR DIR *directory = opendir(DIRECTORY);
    if (!directory)
        return error_create(ERROR_PARTIAL, errno,
                            DIRECTORY ": cannot be read: %s; stale sockets are not looked for",
                            strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stale_socket socket = {.pid = pid_in_name(entry->d_name)};
        if (!socket.pid)
            continue;
        snprintf(socket.path, sizeof(socket.path), DIRECTORY "/" PREFIX "%d", socket.pid);
        if (judge(dirfd(directory), entry->d_name, clean, ret, &socket) && !append(ret, &socket)) {
            stale_deinit(ret);
            return error_no_memory();
        }
    }
    if (ret->count)
        qsort(ret->sockets, ret->count, sizeof(*ret->sockets), compare_sockets);
    return NULL;
}

void stale_deinit(struct stale_sockets *sockets)
{
    free(sockets->sockets);
    *sockets = (struct stale_sockets){0};
}
