/*
 * Who holds the file lock that a thread waits for: /proc/locks tells (proc(5)), a list of all locks
 * of the machine in which a lock is followed by those who wait for it. The kernel gives it out in
 * pieces and counts the locks before the next piece anew (fs/locks.c, locks_start), so that while
 * others come and go one may be missing or stand there twice, but no lock without its waiters.
 */
#include "src/descriptors.h"
#include "src/waits_private.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a list of thousands of locks that come and go all the time, each reading misses some one time
   in forty. */
#define READINGS_MAX 10

/* A line: "1: -> POSIX  ADVISORY  WRITE 4711 08:01:1234 0 EOF". */
struct lock_line {
    unsigned long id;
    bool waits; /* "->": for the one without it of the same id */
    char type[16];
    long pid; /* -1: of an open file description; 0: in another pid namespace */
    uint64_t inode;
    uint64_t first, last; /* bytes of the file; LAST_BYTE: to its end, however it grows */
};

#define LAST_BYTE UINT64_MAX

/* The lock that a thread waits for. */
struct wanted_lock {
    struct lock_line line;
    bool any_range; /* first and last are not known */
};

static bool parse_lock(const char *text, struct lock_line *ret)
{
    int used = 0;
    char last[24];
    *ret = (struct lock_line){0};
    if (sscanf(text, "%lu:%n", &ret->id, &used) != 1 || !used)
        return false;
    text += used + strspn(text + used, " ");
    ret->waits = strncmp(text, "->", 2) == 0;
    text += ret->waits ? 2 : 0;
    if (sscanf(text, " %15s %*s %*s %ld %*x:%*x:%" SCNu64 " %" SCNu64 " %23s", ret->type, &ret->pid,
               &ret->inode, &ret->first, last) != 5)
        return false;
    ret->last = strcmp(last, "EOF") == 0 ? LAST_BYTE : strtoull(last, NULL, 10);
    return true;
}

/* Behind the blanks that show how deep waiters wait for waiters. */
static bool is_wanted(const struct lock_line *line, const struct wanted_lock *wanted)
{
    const struct lock_line *like = &wanted->line;
    return line->pid == like->pid && line->inode == like->inode &&
           strcmp(line->type, like->type) == 0 &&
           (wanted->any_range || (line->first == like->first && line->last == like->last));
}

enum found { FOUND_NOT, FOUND_ONE, FOUND_SEVERAL };

/*
 * Finds the lock that is in the way of the wanted one. The list does not tell the threads of a
 * process apart: where those that fit wait for different holders, it is one of several.
 */
static enum found find_holder(const char *locks, const struct wanted_lock *wanted,
                              struct lock_line *ret)
{
    struct lock_line line, holder = {0};
    enum found found = FOUND_NOT;
    bool known = false;
    for (const char *text = locks; text && *text; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (!parse_lock(text, &line))
            continue;
        if (!line.waits) {
            holder = line;
            known = true;
        } else if (known && line.id == holder.id && is_wanted(&line, wanted)) {
            if (found == FOUND_ONE && ret->pid != holder.pid)
                return FOUND_SEVERAL;
            *ret = holder;
            found = FOUND_ONE;
        }
    }
    return found;
}

/* False when it cannot be read, or was read often enough. */
static bool read_locks(struct search *search)
{
    if (search->lock_readings == READINGS_MAX)
        return false;
    search->lock_readings++;
    free(search->locks);
    search->locks = NULL;
    return process_read_system_file(search->report->process, "locks", &search->locks) >= 0;
}

/* The thread waits: a list without it is one that misses it. */
static enum found find_holder_in_time(struct search *search, const struct wanted_lock *wanted,
                                      struct lock_line *ret)
{
    enum found found = FOUND_NOT;
    do {
        if (search->locks)
            found = find_holder(search->locks, wanted, ret);
    } while (found == FOUND_NOT && read_locks(search));
    return found;
}

static void set_holder(const struct search *search, const struct lock_line *holder,
                       struct wait *wait)
{
    if (holder->pid <= 0) {
        wait_add_detail(wait, holder->pid < 0 ? "held by an open file description, whose process "
                                                "the kernel does not tell"
                                              : "held by a process in another pid namespace");
        return;
    }
    wait_set_process(search, (pid_t)holder->pid, &wait->owner);
    if (wait->owner.pid == search->report->process->pid)
        wait_add_detail(wait, "which is this process itself");
}

static void read_file_lock(struct search *search, int fd, struct wanted_lock *wanted,
                           struct wait *wait)
{
    char link[512];
    struct lock_line holder = {0};
    struct descriptors *descriptors = wait_descriptors(search);
    wait->kind = WAIT_FILE_LOCK;
    if (!descriptors)
        return;
    if (descriptors_link(descriptors, fd, link, sizeof(link)))
        wait->place = strdup(link);
    wanted->line.inode = descriptors_inode(descriptors, fd);
    if (!wanted->line.inode)
        return;
    enum found found = find_holder_in_time(search, wanted, &holder);
    if (found == FOUND_ONE)
        set_holder(search, &holder, wait);
    else if (found == FOUND_SEVERAL)
        wait_add_detail(wait, "threads of this process wait for several holders of locks there");
}

void wait_read_flock(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    struct wanted_lock wanted = {
        .line = {.type = "FLOCK", .pid = search->report->process->pid, .last = LAST_BYTE}};
    read_file_lock(search, (int)arguments[0], &wanted, wait);
}

/* As posix_lock(2) counts: from l_start, l_len bytes, backwards if that is negative; 0: to the end.
   Where it begins is only known if it is counted from the start of the file. */
static void read_range(const struct search *search, uint64_t address, struct wanted_lock *ret)
{
    struct flock lock;
    ret->any_range =
        remote_read(search->report->process, address, &lock, sizeof(lock)) != sizeof(lock) ||
        lock.l_whence != SEEK_SET || lock.l_start < 0 || lock.l_len < -lock.l_start ||
        lock.l_len > INT64_MAX - lock.l_start;
    if (ret->any_range)
        return;
    uint64_t start = (uint64_t)lock.l_start, length = (uint64_t)lock.l_len;
    ret->line.first = lock.l_len < 0 ? start + length : start;
    ret->line.last = lock.l_len == 0 ? LAST_BYTE : lock.l_len < 0 ? start - 1 : start + length - 1;
}

void wait_read_fcntl(struct search *search, const uint64_t *arguments, struct wait *wait)
{
    struct wanted_lock wanted = {.line = {.type = "POSIX", .pid = search->report->process->pid}};
    if ((int)arguments[1] == F_OFD_SETLKW) {
        strcpy(wanted.line.type, "OFDLCK");
        wanted.line.pid = -1;
    } else if ((int)arguments[1] != F_SETLKW) {
        return;
    }
    read_range(search, arguments[2], &wanted);
    read_file_lock(search, (int)arguments[0], &wanted, wait);
}
