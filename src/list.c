/* manhole-attach --list: the processes that have a manhole. */
#include "injector/cleanup.h"
#include "injector/process.h"
#include "src/locate.h"
#include "src/message.h"
#include "src/verbs.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct listing {
    size_t found;  /* printed */
    size_t unread; /* processes we may not look into */
};

static const char *user_name(uid_t uid, char *buffer, size_t size)
{
    const struct passwd *entry = getpwuid(uid);
    if (entry)
        snprintf(buffer, size, "%s", entry->pw_name);
    else
        snprintf(buffer, size, "%u", uid);
    return buffer;
}

static void print_process(struct listing *listing, const struct process *process,
                          const struct manhole_place *place)
{
    if (!listing->found++)
        printf("%7s %-12s %-16s %s\n", "PID", "USER", "PROGRAM", "SOCKET");
    struct stat status;
    char user[64] = "?", program[256], socket[4 * SOCKET_PATH_MAX];
    if (fstat(process->proc_fd, &status) == 0)
        user_name(status.st_uid, user, sizeof(user));
    printf("%7d %-12s %-16s %s\n", process->pid, user,
           message_sanitize(process->name, program, sizeof(program)),
           message_sanitize(place->socket_path, socket, sizeof(socket)));
}

static void list_one(struct listing *listing, pid_t pid)
{
    CLEANUP_PROCESS struct process *process = NULL;
    struct manhole_place place;
    CLEANUP_ERROR struct error *error = process_open(pid, &process);
    if (!error)
        error = locate_manhole(process, &place);
    if (!error) {
        if (place.listening)
            print_process(listing, process, &place);
    } else if (error->kind == ERROR_NOT_PERMITTED) {
        listing->unread++;
    }
    /* Kernel threads, zombies, and what ended meanwhile, have none. */
}

static int compare_pids(const void *one, const void *other)
{
    pid_t a = *(const pid_t *)one, b = *(const pid_t *)other;
    return (a > b) - (a < b);
}

/* All pids that /proc shows us, ascending; *ret is malloc'ed. */
static struct error *read_pids(pid_t **ret, size_t *count)
{
    CLEANUP_CLOSEDIR DIR *directory = opendir("/proc");
    if (!directory)
        return error_create(ERROR_PARTIAL, errno, "/proc: cannot be read: %s; mount it",
                            strerror(errno));
    CLEANUP_FREE pid_t *pids = NULL;
    size_t used = 0, capacity = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end || pid <= 0)
            continue;
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            pid_t *larger = reallocarray(pids, capacity, sizeof(*pids));
            if (!larger)
                return error_no_memory();
            pids = larger;
        }
        pids[used++] = (pid_t)pid;
    }
    if (used)
        qsort(pids, used, sizeof(*pids), compare_pids);
    *ret = pids;
    *count = used;
    pids = NULL;
    return NULL;
}

int list_run(const struct options *options)
{
    (void)options; /* it has none yet */
    CLEANUP_FREE pid_t *pids = NULL;
    size_t count = 0;
    struct error *error = read_pids(&pids, &count);
    if (error)
        return message_error(error);
    struct listing listing = {0};
    for (size_t i = 0; i < count; i++)
        if (pids[i] != getpid())
            list_one(&listing, pids[i]);
    fflush(stdout);
    if (!listing.found)
        message_note("no manhole found");
    if (listing.unread)
        message_note(
            "%zu process%s could not be read%s", listing.unread, listing.unread == 1 ? "" : "es",
            geteuid() ? "; run as root to see all" : ": the system keeps them even from root");
    return 0;
}
