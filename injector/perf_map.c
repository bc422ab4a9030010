#include "injector/perf_map.h"

#include "injector/cleanup.h"
#include "injector/module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Of a larger file only the end is read, bytes: what is written last is what is true now. */
#define FILE_MAX ((off_t)128 << 20)
/* How many entries below an address are looked at: in a map that is not made to waste our time the
   one wanted is among the first. */
#define LOOKED_AT_MAX 4096

struct entry {
    uint64_t start, size;
    const char *name;
    uint32_t order; /* in the file */
};

struct perf_map {
    char *text; /* the names are in it */
    struct entry *entries;
    uint64_t *reach; /* the highest end of entries[0 .. i]: bounds the search downwards */
    size_t count, capacity;
    struct stat file; /* when it was read */
};

static bool add(struct perf_map *map, uint64_t start, uint64_t size, const char *name)
{
    if (map->count == UINT32_MAX)
        return false;
    if (map->count == map->capacity) {
        size_t capacity = map->capacity ? map->capacity * 2 : 4096;
        struct entry *entries = reallocarray(map->entries, capacity, sizeof(*entries));
        if (!entries)
            return false;
        map->entries = entries;
        map->capacity = capacity;
    }
    map->entries[map->count] = (struct entry){start, size, name, (uint32_t)map->count};
    map->count++;
    return true;
}

/* "START SIZE name", the numbers with or without 0x. What is no such line is passed over. */
static bool add_line(struct perf_map *map, char *line)
{
    char *rest;
    errno = 0;
    uint64_t start = strtoull(line, &rest, 16);
    if (rest == line || *rest != ' ')
        return true;
    char *number = rest;
    uint64_t size = strtoull(number, &rest, 16);
    if (errno || rest == number || *rest != ' ' || !rest[1] || !size || size > UINT64_MAX - start)
        return true;
    return add(map, start, size, rest + 1);
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool sort(struct perf_map *map)
{
    if (!map->count)
        return false;
    qsort(map->entries, map->count, sizeof(*map->entries), compare_entries);
    map->reach = calloc(map->count, sizeof(*map->reach));
    if (!map->reach)
        return false;
    uint64_t reach = 0;
    for (size_t i = 0; i < map->count; i++) {
        uint64_t end = map->entries[i].start + map->entries[i].size;
        if (end > reach)
            reach = end;
        map->reach[i] = reach;
    }
    return true;
}

struct perf_map *perf_map_parse(char *text, size_t size)
{
    struct perf_map *map = calloc(1, sizeof(*map));
    if (!map) {
        free(text);
        return NULL;
    }
    map->text = text;
    /* A last line without its end is still being written. */
    for (char *line = text, *end; (end = memchr(line, '\n', size - (size_t)(line - text)));
         line = end + 1) {
        *end = '\0';
        if (!add_line(map, line))
            break;
    }
    if (sort(map))
        return map;
    perf_map_close(map);
    return NULL;
}

void perf_map_close(struct perf_map *map)
{
    if (!map)
        return;
    free(map->entries);
    free(map->reach);
    free(map->text);
    free(map);
}

bool perf_map_find(const struct perf_map *map, uint64_t address, struct jit_name *ret)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->entries[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct entry *best = NULL;
    for (size_t i = low; i-- > 0 && map->reach[i] > address && low - i <= LOOKED_AT_MAX;) {
        const struct entry *entry = &map->entries[i];
        if (address - entry->start < entry->size && (!best || entry->order > best->order))
            best = entry;
    }
    if (!best)
        return false;
    *ret = (struct jit_name){.name = best->name, .start = best->start, .size = best->size};
    return true;
}

/* The user whose rights the target has with files: the last number of "Uid:" (proc(5)). */
static bool file_system_user(const struct process *process, uid_t *ret)
{
    char text[128];
    unsigned user;
    if (!process_status_field(process, process->live_tid, "Uid", text, sizeof(text)) ||
        sscanf(text, "%*u %*u %*u %u", &user) != 1)
        return false;
    *ret = user;
    return true;
}

/* The time the process began, seconds of CLOCK_REALTIME; 0: not known. */
static time_t start_of(const struct process *process)
{
    struct timespec now, since_boot;
    long ticks = sysconf(_SC_CLK_TCK);
    if (ticks <= 0 || clock_gettime(CLOCK_REALTIME, &now) ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot))
        return 0;
    return now.tv_sec - since_boot.tv_sec + (time_t)(process->start_time / (uint64_t)ticks);
}

/*
 * A file that another user planted names nothing; neither does one that an earlier process of that
 * pid left (in containers pids come again at every start). Clocks may be set: two seconds are let
 * pass.
 */
static bool is_believable(const struct process *process, const struct stat *stat)
{
    uid_t user;
    return S_ISREG(stat->st_mode) && !(stat->st_mode & S_IWOTH) &&
           (stat->st_uid == 0 || (file_system_user(process, &user) && stat->st_uid == user)) &&
           stat->st_mtime + 2 >= start_of(process);
}

static char *read_end(int fd, off_t file_size, size_t *size)
{
    off_t at = file_size > FILE_MAX ? file_size - FILE_MAX : 0;
    size_t wanted = (size_t)(file_size - at);
    char *text = malloc(wanted + 1);
    *size = 0;
    while (text && *size < wanted) {
        ssize_t n = pread(fd, text + *size, wanted - *size, at + (off_t)*size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *size += (size_t)n;
    }
    return text;
}

/* The descriptor of the file, if it is to be believed; or -1. */
static int open_file(const struct process *process, struct stat *stat)
{
    char name[64];
    snprintf(name, sizeof(name), "perf-%d.map", process->namespace_pid);
    CLEANUP_CLOSE int directory = module_open_in_root(process, "/tmp");
    if (directory < 0)
        return -1;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && !fstat(fd, stat) && is_believable(process, stat) && stat->st_size > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

struct perf_map *perf_map_open(const struct process *process)
{
    struct stat stat;
    CLEANUP_CLOSE int fd = open_file(process, &stat);
    if (fd < 0)
        return NULL;
    size_t size;
    char *text = read_end(fd, stat.st_size, &size);
    struct perf_map *map = text ? perf_map_parse(text, size) : NULL;
    if (map)
        map->file = stat;
    return map;
}

bool perf_map_is_stale(const struct perf_map *map, const struct process *process)
{
    struct stat stat;
    CLEANUP_CLOSE int fd = open_file(process, &stat);
    return fd < 0 || stat.st_ino != map->file.st_ino || stat.st_size != map->file.st_size ||
           stat.st_mtim.tv_sec != map->file.st_mtim.tv_sec ||
           stat.st_mtim.tv_nsec != map->file.st_mtim.tv_nsec;
}
