/* manhole-attach --list: the processes that have a manhole, and the sockets that were left behind.
 */
#include "src/list.h"

#include "injector/cleanup.h"
#include "injector/process.h"
#include "src/message.h"
#include "src/socket_peer.h"
#include "src/verbs.h"

#include <errno.h>
#include <string.h>

/* The owner of /proc/PID is root's for a program that may not be dumped: status tells the truth. */
static void describe_process(const struct process *process, struct list_process *ret)
{
    char uids[64];
    unsigned effective = (uid_t)-1;
    if (process_status_field(process, 0, "Uid", uids, sizeof(uids)))
        sscanf(uids, "%*u %u", &effective);
    ret->pid = process->pid;
    ret->uid = effective;
    snprintf(ret->name, sizeof(ret->name), "%s", process->name);
}

static struct error *add_row(struct listing *listing, const struct process *process,
                             const struct manhole_place *place)
{
    struct list_row *rows = reallocarray(listing->rows, listing->count + 1, sizeof(*rows));
    if (!rows)
        return error_no_memory();
    listing->rows = rows;
    struct list_row *row = &rows[listing->count++];
    *row = (struct list_row){.place = *place};
    describe_process(process, &row->process);
    if (place->session_inode)
        row->peer_inode = socket_peer(process, place->session_inode);
    return NULL;
}

static struct error *list_one(struct listing *listing, pid_t pid)
{
    CLEANUP_PROCESS struct process *process = NULL;
    struct manhole_place place;
    CLEANUP_ERROR struct error *error = process_open(pid, &process);
    if (!error)
        error = locate_manhole(process, &place);
    if (!error && (place.listening || place.sleeps))
        return add_row(listing, process, &place);
    /* Kernel threads, zombies, and what ended meanwhile, have none. */
    if (error && error->kind == ERROR_NOT_PERMITTED)
        listing->unread++;
    return NULL;
}

/* Which process is connected, where the kernel told the other end and we may see who has it. */
static void find_client(struct list_row *row, const pid_t *pids, size_t count)
{
    row->client.uid = (uid_t)-1;
    pid_t pid = row->peer_inode ? socket_holder(pids, count, row->peer_inode) : 0;
    if (!pid)
        return;
    CLEANUP_PROCESS struct process *process = NULL;
    CLEANUP_ERROR struct error *error = process_open(pid, &process);
    if (!error)
        describe_process(process, &row->client);
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

static struct error *find_manholes(struct listing *listing)
{
    CLEANUP_FREE pid_t *pids = NULL;
    size_t count = 0;
    struct error *error = read_pids(&pids, &count);
    for (size_t i = 0; i < count && !error; i++)
        if (pids[i] != getpid())
            error = list_one(listing, pids[i]);
    if (error)
        return error;
    for (size_t i = 0; i < listing->count; i++)
        find_client(&listing->rows[i], pids, count);
    return NULL;
}

static void print_notes(const struct listing *listing, bool clean)
{
    const char *remedy =
        geteuid() ? "; run as root to see all" : ": the system keeps them even from root";
    if (!listing->count)
        message_note("no manhole found");
    if (listing->stale.count && !clean)
        message_note("%zu stale socket%s; 'manhole-attach --list --clean' removes those of yours",
                     listing->stale.count, listing->stale.count == 1 ? "" : "s");
    if (listing->unread)
        message_note("%zu process%s could not be read%s", listing->unread,
                     listing->unread == 1 ? "" : "es", remedy);
    if (listing->stale.unknown)
        message_note("%zu socket%s of others could not be asked about%s", listing->stale.unknown,
                     listing->stale.unknown == 1 ? "" : "s", remedy);
}

static int status_of(const struct listing *listing)
{
    for (size_t i = 0; i < listing->stale.count; i++)
        if (listing->stale.sockets[i].failed)
            return ERROR_PARTIAL;
    return 0;
}

static void listing_deinit(struct listing *listing)
{
    free(listing->rows);
    stale_deinit(&listing->stale);
}

int list_run(const struct options *options)
{
    __attribute__((cleanup(listing_deinit))) struct listing listing = {0};
    struct error *error = find_manholes(&listing);
    if (error)
        return message_error(error);
    /* Without /tmp there is still the list. */
    struct error *no_stale = stale_find(options->clean, &listing.stale);
    if (options->dump.format == FORMAT_JSON)
        error = list_print_json(&listing);
    else
        list_print_text(&listing);
    fflush(stdout);
    print_notes(&listing, options->clean);
    int status = no_stale ? message_error(no_stale) : status_of(&listing);
    return error ? message_error(error) : status;
}
