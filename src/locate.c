#include "src/locate.h"

#include "injector/cleanup.h"
#include "injector/maps.h"
#include "injector/module.h"
#include "src/payload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <uthash.h>

/* Exported by the payload: where it listens, NUL terminated, "" when it does not. */
#define PAYLOAD_SOCKET_SYMBOL "manhole_socket_path"

struct bound_socket {
    uint64_t inode; /* key: of sockfs, as in the links of /proc/PID/fd */
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
 * 0x10000 is __SO_ACCEPTCON (include/linux/net.h): it listens. Abstract names start with '@'.
 */
static void add_listening(struct bound_socket **sockets, const char *line)
{
    unsigned flags;
    uint64_t inode;
    int path_at = 0;
    if (sscanf(line, "%*s %*x %*x %x %*x %*x %" SCNu64 " %n", &flags, &inode, &path_at) < 2 ||
        !path_at || !(flags & 0x10000) || line[path_at] != '/' ||
        strlen(line + path_at) >= SOCKET_PATH_MAX)
        return;
    struct bound_socket *one = calloc(1, sizeof(*one));
    if (!one)
        return; /* an unknown socket: the manhole is reported without its path */
    one->inode = inode;
    snprintf(one->path, sizeof(one->path), "%s", line + path_at);
    HASH_ADD(hh, *sockets, inode, sizeof(one->inode), one);
}

/* All listening sockets with a path in the target's network namespace. */
static struct error *read_listening(const struct process *process, struct bound_socket **ret)
{
    CLEANUP_FREE char *text = NULL;
    if (process_read_file(process, 0, "net/unix", &text) < 0) {
        text = NULL;
        if (errno == EACCES || errno == EPERM)
            return process_explain_refusal(process, "list its sockets", errno);
        return process_check_alive(process);
    }
    char *position = NULL;
    for (char *line = strtok_r(text, "\n", &position); line; line = strtok_r(NULL, "\n", &position))
        add_listening(ret, line);
    return NULL;
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
        HASH_DEL(*sockets, found);
        HASH_ADD(hh, own, inode, sizeof(found->inode), found);
    }
    free_sockets(sockets);
    *sockets = own;
    return NULL;
}

/* The payload's own word, from its memory; false where we may not read that, or it has none. */
static bool ask_memory(const struct process *process, const struct maps *maps, char *path)
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
        uint64_t address =
            module ? module_symbol_address(module, PAYLOAD_SOCKET_SYMBOL, &symbol) : 0;
        if (address && remote_read_string(process, address, path, SOCKET_PATH_MAX))
            return true;
    }
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Which of the target's sockets is the manhole's: only what is certain, or carries its name. */
static const char *choose(const struct process *process, const struct maps *maps,
                          struct bound_socket *sockets, bool loaded)
{
    char usual[64];
    snprintf(usual, sizeof(usual), "/tmp/manhole-%d", process->namespace_pid);
    struct bound_socket *one, *next;
    HASH_ITER(hh, sockets, one, next)
    if (strcmp(one->path, usual) == 0)
        return one->path;
    if (!loaded)
        return NULL;

    char told[SOCKET_PATH_MAX];
    bool asked = ask_memory(process, maps, told);
    HASH_ITER(hh, sockets, one, next)
    if (asked ? strcmp(one->path, told) == 0
              : strncmp(base_name(one->path), "manhole", strlen("manhole")) == 0)
        return one->path;
    return NULL;
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
    error = read_listening(process, &sockets);
    if (!error)
        error = keep_own(process, &sockets);
    if (!error) {
        const char *path = choose(process, maps, sockets, ret->loaded);
        ret->listening = path != NULL;
        if (path)
            snprintf(ret->socket_path, sizeof(ret->socket_path), "%s", path);
    }
    free_sockets(&sockets);
    return error;
}
