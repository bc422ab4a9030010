#include "src/locate.h"

#include "injector/cleanup.h"
#include "injector/loan.h"
#include "injector/maps.h"
#include "injector/module.h"
#include "payload/manhole.h"
#include "src/base_name.h"
#include "src/payload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

/* Exported by the payload (payload/manhole.h): where it listens, NUL terminated, "" when it does
   not; what it sleeps until; and its threads. */
#define PAYLOAD_SOCKET_SYMBOL "manhole_socket_path"
#define PAYLOAD_SLEEP_SYMBOL "manhole_sleep"
#define PAYLOAD_THREADS_SYMBOL "manhole_threads"

struct bound_socket {
    uint64_t inode; /* key: of sockfs, as in the links of /proc/PID/fd */
    bool listening; /* or else connected */
    struct timespec since;
    char path[SOCKET_PATH_MAX];
    UT_hash_handle hh;
};

static void free_sockets(struct bound_socket **sockets)
{
    struct bound_socket *one, *next;
    HASH_ITER(hh, *sockets, one, next)
    {
        HASH_DEL(*sockets, one);
        free(one);
    }
}

/*
 * One line of /proc/PID/net/unix (proc(5)): "Num RefCount Protocol Flags Type St Inode Path". Flag
 * 0x10000 is __SO_ACCEPTCON (include/linux/net.h): it listens; state 3 is SS_CONNECTED
 * (include/uapi/linux/net.h). What accept(2) made has the path of the socket that listened.
 * Abstract names start with '@'.
 */
static void add_bound(struct bound_socket **sockets, const char *line)
{
    enum { ACCEPTING = 0x10000, CONNECTED = 3 };
    unsigned flags, state;
    uint64_t inode;
    int path_at = 0;
    if (sscanf(line, "%*s %*x %*x %x %*x %x %" SCNu64 " %n", &flags, &state, &inode, &path_at) <
            3 ||
        !path_at || (!(flags & ACCEPTING) && state != CONNECTED) || line[path_at] != '/' ||
        strlen(line + path_at) >= SOCKET_PATH_MAX)
        return;
    struct bound_socket *one = calloc(1, sizeof(*one));
    if (!one)
        return; /* an unknown socket: the manhole is reported without its path */
    one->inode = inode;
    one->listening = flags & ACCEPTING;
    snprintf(one->path, sizeof(one->path), "%s", line + path_at);
    HASH_ADD(hh, *sockets, inode, sizeof(one->inode), one);
}

static void add_table(struct bound_socket **sockets, char *text)
{
    char *position = NULL;
    for (char *line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position))
        add_bound(sockets, line);
}

static bool in_our_network_namespace(const struct process *process)
{
    char ours[64], theirs[64];
    ssize_t length = readlink("/proc/self/ns/net", ours, sizeof(ours));
    return length > 0 && length < (ssize_t)sizeof(ours) &&
           process_read_link(process, 0, "ns/net", theirs, sizeof(theirs)) == length &&
           memcmp(ours, theirs, (size_t)length) == 0;
}

/*
 * All sockets with a path that listen or are connected, in the target's network namespace and in
 * ours: to the latter belongs what the target accepted from a client of ours
 * (net/unix/af_unix.c, unix_stream_connect).
 */
static struct error *read_bound(const struct process *process, struct bound_socket **ret)
{
    CLEANUP_FREE char *theirs = NULL, *ours = NULL;
    if (process_read_file(process, 0, "net/unix", &theirs) < 0) {
        theirs = NULL;
        if (errno == EACCES || errno == EPERM)
            return process_explain_refusal(process, "list its sockets", errno);
        return process_check_alive(process);
    }
    add_table(ret, theirs);
    if (in_our_network_namespace(process))
        return NULL;
    if (process_read_system_file(process, "self/net/unix", &ours) > 0)
        add_table(ret, ours);
    else
        ours = NULL;
    return NULL;
}

/*
 * When a socket of ours was made. The change time of a socket's own inode (not of the file) is not
 * kept, but for fchmod(2) and fchown(2) (net/socket.c, sockfs_setattr): the payload calls the first
 * at once (payload/endpoint.c), so that the mode, 0777 otherwise, proves that the time is true.
 */
static struct timespec since_when(int directory_fd, const char *descriptor)
{
    struct stat status;
    bool ours = fstatat(directory_fd, descriptor, &status, 0) == 0 && S_ISSOCK(status.st_mode) &&
                (status.st_mode & 0777) == 0600;
    return ours ? status.st_ctim : (struct timespec){0};
}

/* Keeps those that the target itself holds open. */
static struct error *keep_own(const struct process *process, struct bound_socket **sockets)
{
    int fd = process_open_file(process, 0, "fd", O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        if (errno == EACCES || errno == EPERM)
            return process_explain_refusal(process, "list its descriptors", errno);
        return process_check_alive(process);
    }
    CLEANUP_CLOSEDIR DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return error_no_memory();
    }
    struct bound_socket *own = NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char link[64];
        ssize_t length = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);
        if (length <= 0)
            continue;
        link[length] = '\0';
        uint64_t inode;
        struct bound_socket *found;
        if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
            continue;
        HASH_FIND(hh, *sockets, &inode, sizeof(inode), found);
        if (!found)
            continue;
        if (found->listening)
            found->since = since_when(fd, entry->d_name);
        HASH_DEL(*sockets, found);
        HASH_ADD(hh, own, inode, sizeof(found->inode), found);
    }
    free_sockets(sockets);
    *sockets = own;
    return NULL;
}

/* Reads a word of the payload's at an address. */
typedef bool read_fn(const struct process *process, uint64_t address, void *ret);

/* The payload's own word, from its memory; false where we may not read that, or it has none. */
static bool ask_memory(const struct process *process, const struct maps *maps, const char *name,
                       read_fn *read, void *ret)
{
    CLEANUP_MODULES struct modules *modules = NULL;
    CLEANUP_ERROR struct error *error = modules_create(process, maps, &modules);
    if (error)
        return false;
    for (size_t i = 0; i < modules->count; i++) {
        struct module *module = modules->modules[i];
        if (!strstr(module->path, PAYLOAD_SONAME))
            continue;
        module = modules_find(modules, module->start);
        struct symbol symbol;
        uint64_t address = module ? module_symbol_address(module, name, &symbol) : 0;
        if (address && read(process, address, ret))
            return true;
    }
    return false;
}

static bool read_path(const struct process *process, uint64_t address, void *ret)
{
    return remote_read_string(process, address, ret, SOCKET_PATH_MAX);
}

static bool read_sleep(const struct process *process, uint64_t address, void *ret)
{
    return remote_read(process, address, ret, sizeof(struct manhole_sleep)) ==
           sizeof(struct manhole_sleep);
}

static void find_sleep(const struct process *process, const struct maps *maps,
                       struct manhole_place *ret)
{
    struct manhole_sleep told;
    if (!ask_memory(process, maps, PAYLOAD_SLEEP_SYMBOL, read_sleep, &told))
        return;
    ret->sleeps = told.pid && told.pid == process->namespace_pid;
    ret->wakes_on = told.signals;
}

/* Which of the target's sockets is the manhole's: only what is certain, or carries its name. */
static const struct bound_socket *choose(const struct process *process, const struct maps *maps,
                                         struct bound_socket *sockets, bool loaded)
{
    char usual[64];
    snprintf(usual, sizeof(usual), "/tmp/manhole-%d", process->namespace_pid);
    struct bound_socket *one, *next;
    HASH_ITER(hh, sockets, one, next)
    if (one->listening && strcmp(one->path, usual) == 0)
        return one;
    if (!loaded)
        return NULL;

    char told[SOCKET_PATH_MAX];
    bool asked = ask_memory(process, maps, PAYLOAD_SOCKET_SYMBOL, read_path, told);
    HASH_ITER(hh, sockets, one, next)
    if (one->listening &&
        (asked ? strcmp(one->path, told) == 0
               : strncmp(base_name(one->path), "manhole", strlen("manhole")) == 0))
        return one;
    return NULL;
}

/* What it accepted and holds open: one that is served, and others whose turn comes. */
static void find_sessions(struct bound_socket *sockets, const char *path, struct manhole_place *ret)
{
    struct bound_socket *one, *next;
    HASH_ITER(hh, sockets, one, next)
    {
        if (one->listening || strcmp(one->path, path) != 0)
            continue;
        if (!ret->session_count++)
            ret->session_inode = one->inode;
    }
}

static void describe_place(struct bound_socket *sockets, const struct bound_socket *chosen,
                           struct manhole_place *ret)
{
    ret->listening = true;
    ret->since = chosen->since;
    find_sessions(sockets, chosen->path, ret);
    memcpy(ret->socket_path, chosen->path, sizeof(ret->socket_path));
}

static bool maps_hold_payload(const struct maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        if (strstr(base_name(maps->mappings[i].path), PAYLOAD_SONAME))
            return true;
    return false;
}

struct error *locate_manhole(const struct process *process, struct manhole_place *ret)
{
    *ret = (struct manhole_place){0};
    CLEANUP_MAPS struct maps *maps = NULL;
    struct error *error = maps_read(process, &maps);
    if (error)
        return error;
    ret->loaded = maps_hold_payload(maps);

    struct bound_socket *sockets = NULL;
    error = read_bound(process, &sockets);
    if (!error)
        error = keep_own(process, &sockets);
    if (!error) {
        const struct bound_socket *chosen = choose(process, maps, sockets, ret->loaded);
        if (chosen)
            describe_place(sockets, chosen, ret);
        else if (ret->loaded)
            find_sleep(process, maps, ret);
    }
    free_sockets(&sockets);
    return error;
}

/* --- Its threads. --- */

static bool read_threads(const struct process *process, uint64_t address, void *ret)
{
    size_t size = MANHOLE_THREADS_MAX * sizeof(int32_t);
    return remote_read(process, address, ret, size) == size;
}

bool locate_threads(const struct process *process, pid_t *ret, size_t *count)
{
    int32_t told[MANHOLE_THREADS_MAX];
    CLEANUP_MAPS struct maps *maps = NULL;
    CLEANUP_ERROR struct error *error = maps_read(process, &maps);
    *count = 0;
    if (error || !ask_memory(process, maps, PAYLOAD_THREADS_SYMBOL, read_threads, told))
        return false;
    for (size_t i = 0; i < MANHOLE_THREADS_MAX; i++) {
        pid_t tid = told[i] ? loan_find_thread(process, told[i]) : 0;
        if (tid)
            ret[(*count)++] = tid;
    }
    return true;
}
