#include "injector/maps.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char deleted_suffix[] = " (deleted)";
#define DELETED_LENGTH (sizeof(deleted_suffix) - 1)

/* Reads a hexadecimal (base 16) or decimal number and the one character behind it. */
static bool parse_number(char **cursor, unsigned base, char end, uint64_t *ret)
{
    uint64_t value = 0;
    char *p = *cursor;
    for (;; p++) {
        unsigned digit;
        if (*p >= '0' && *p <= '9')
            digit = (unsigned)(*p - '0');
        else if (base == 16 && *p >= 'a' && *p <= 'f')
            digit = (unsigned)(*p - 'a') + 10;
        else
            break;
        if (value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    if (p == *cursor || *p != end)
        return false;
    *cursor = p + 1;
    *ret = value;
    return true;
}

static bool parse_permissions(char **cursor, struct mapping *ret)
{
    const char *p = *cursor;
    if (strnlen(p, 5) < 5 || p[4] != ' ')
        return false;
    ret->readable = p[0] == 'r';
    ret->writable = p[1] == 'w';
    ret->executable = p[2] == 'x';
    ret->shared = p[3] == 's';
    *cursor += 5;
    return true;
}

/* The kernel writes a newline in a name as \012 and escapes nothing else, not even the backslash
   (fs/proc/task_mmu.c, show_map_vma: seq_path with "\n"). */
static size_t unescape(const char *path, char *ret)
{
    size_t length = 0;
    while (*path) {
        if (path[0] == '\\' && path[1] == '0' && path[2] == '1' && path[3] == '2') {
            ret[length++] = '\n';
            path += 4;
        } else {
            ret[length++] = *path++;
        }
    }
    ret[length] = '\0';
    return length;
}

/* Parses one line, which ends in NUL. The path goes to *strings, which is advanced. */
static bool parse_line(char *line, const struct mapping *previous, char **strings,
                       struct mapping *ret)
{
    uint64_t major, minor;
    if (!parse_number(&line, 16, '-', &ret->start) || !parse_number(&line, 16, ' ', &ret->end) ||
        !parse_permissions(&line, ret) || !parse_number(&line, 16, ' ', &ret->offset) ||
        !parse_number(&line, 16, ':', &major) || !parse_number(&line, 16, ' ', &minor))
        return false;
    /* Behind the inode stands a blank, and then the path or nothing. */
    char *inode = line;
    line += strspn(line, "0123456789");
    if (*line == ' ')
        *line++ = '\0';
    if (!parse_number(&inode, 10, '\0', &ret->inode) || ret->start >= ret->end)
        return false;
    ret->device_major = (uint32_t)major;
    ret->device_minor = (uint32_t)minor;

    line += strspn(line, " ");
    size_t length = unescape(line, *strings), used = length + 1;
    /* Names that the kernel or prctl(PR_SET_VMA) made up have no inode and are never deleted. */
    if (ret->inode && length > DELETED_LENGTH &&
        !strcmp(*strings + length - DELETED_LENGTH, deleted_suffix)) {
        ret->deleted = true;
        (*strings)[length - DELETED_LENGTH] = '\0';
    }
    /* The segments of one file follow each other: one copy of the name serves them all. */
    if (ret->deleted == previous->deleted && !strcmp(previous->path, *strings)) {
        ret->path = previous->path;
    } else {
        ret->path = *strings;
        *strings += used;
    }
    return true;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text; count++) {
        const char *newline = strchr(text, '\n');
        if (!newline)
            return count + 1;
        text = newline + 1;
    }
    return count;
}

struct error *maps_parse(char *text, struct maps **ret)
{
    CLEANUP_MAPS struct maps *maps = calloc(1, sizeof(*maps));
    if (!maps)
        return error_no_memory();
    /* One block: the mappings, then all their names, which are never longer than the text. */
    size_t lines = count_lines(text), table_size = lines * sizeof(struct mapping);
    maps->mappings = calloc(1, table_size + strlen(text) + 2);
    if (!maps->mappings)
        return error_no_memory();
    char *strings = (char *)maps->mappings + table_size;
    struct mapping nothing = {.path = strings++}; /* "" */
    const struct mapping *previous = &nothing;

    for (char *line = text; *line;) {
        char *newline = strchrnul(line, '\n');
        char *next = *newline ? newline + 1 : newline;
        *newline = '\0';
        struct mapping *mapping = &maps->mappings[maps->count];
        if (!parse_line(line, previous, &strings, mapping))
            return error_create(ERROR_PARTIAL, 0,
                                "line %zu of the memory map cannot be understood: this kernel "
                                "writes it in a format that manhole-attach does not know",
                                maps->count + 1);
        if (maps->count && mapping->start < mapping[-1].end)
            return error_create(ERROR_PARTIAL, 0,
                                "line %zu of the memory map overlaps the one before: the map "
                                "changed while it was read; try again",
                                maps->count + 1);
        previous = mapping;
        maps->count++;
        line = next;
    }
    *ret = maps;
    maps = NULL;
    return NULL;
}

/*
 * A living file may itself be named "x (deleted)". Where the file under the full name is the one
 * that is mapped (by inode: overlay file systems show another device here), the suffix belongs to
 * the name. It is still there behind the NUL that cut it off.
 */
static void keep_suffix_of_living_files(const struct process *process, struct maps *maps)
{
    CLEANUP_CLOSE int root = process_open_file(process, 0, "root", O_PATH | O_DIRECTORY);
    if (root < 0)
        return;
    const char *checked = NULL;
    bool lives = false;
    for (size_t i = 0; i < maps->count; i++) {
        struct mapping *mapping = &maps->mappings[i];
        if (!mapping->deleted || mapping->path[0] != '/')
            continue;
        if (mapping->path != checked) {
            checked = mapping->path;
            char *cut = mapping->path + strlen(mapping->path);
            *cut = ' ';
            struct stat status;
            lives = !fstatat(root, mapping->path + 1, &status, AT_NO_AUTOMOUNT) &&
                    status.st_ino == mapping->inode;
            if (!lives)
                *cut = '\0';
        }
        mapping->deleted = !lives;
    }
}

struct error *maps_read(const struct process *process, struct maps **ret)
{
    CLEANUP_FREE char *text = NULL;
    ssize_t length = process_read_file(process, 0, "maps", &text);
    if (length < 0 && (errno == EACCES || errno == EPERM))
        return process_explain_refusal(process, "reading the memory map", errno);
    if (length <= 0) {
        struct error *ended = process_check_alive(process);
        if (ended)
            return ended;
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) has no memory map: it is just starting or ending; "
                            "try again",
                            process->pid, process->name);
    }
    struct error *error = maps_parse(text, ret);
    if (!error)
        keep_suffix_of_living_files(process, *ret);
    return error;
}

struct maps *maps_share(struct maps *maps)
{
    maps->shares++;
    return maps;
}

void maps_destroy(struct maps *maps)
{
    if (!maps || maps->shares-- > 0)
        return;
    free(maps->mappings);
    free(maps);
}

void maps_cleanup(struct maps **maps)
{
    maps_destroy(*maps);
}

/* Memory that modules are made of, or that code may run in: not heaps, stacks and the like. */
static bool is_file_or_code(const struct mapping *mapping)
{
    return mapping->executable || mapping->inode;
}

static bool same_mapping(const struct mapping *one, const struct mapping *other)
{
    return one->start == other->start && one->end == other->end && one->offset == other->offset &&
           one->inode == other->inode && one->device_major == other->device_major &&
           one->device_minor == other->device_minor && one->readable == other->readable &&
           one->writable == other->writable && one->executable == other->executable &&
           one->deleted == other->deleted && !strcmp(one->path, other->path);
}

/* The next one of that kind from `index` on, or NULL. */
static const struct mapping *next_file_or_code(const struct maps *maps, size_t *index)
{
    while (*index < maps->count) {
        const struct mapping *mapping = &maps->mappings[(*index)++];
        if (is_file_or_code(mapping))
            return mapping;
    }
    return NULL;
}

bool maps_same_code(const struct maps *one, const struct maps *other)
{
    size_t i = 0, j = 0;
    for (;;) {
        const struct mapping *mine = next_file_or_code(one, &i);
        const struct mapping *theirs = next_file_or_code(other, &j);
        if (!mine || !theirs)
            return mine == theirs;
        if (!same_mapping(mine, theirs))
            return false;
    }
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mapping *mapping = &maps->mappings[middle];
        if (address < mapping->start)
            high = middle;
        else if (address >= mapping->end)
            low = middle + 1;
        else
            return mapping;
    }
    return NULL;
}
