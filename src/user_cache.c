#include "src/user_cache.h"

#include "injector/cleanup.h"
#include "src/user_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define VERSION 1
#define AFTER_MS 1000
/* A file may take so much of what is free. */
#define FREE_SHARE 4

/* Stands behind the bytes, so that a reader of the file that wants its own header first finds it
   there. */
struct seal {
    char magic[8];
    uint64_t version;
    char kind[8];
    struct user_cache_key key;
    uint64_t size;     /* of what is before the seal */
    uint64_t checksum; /* of everything before it */
};

static const char seal_magic[8] = "manhole";

/* --- The directory. --- */

static bool is_off(void)
{
    const char *set = getenv("MANHOLE_CACHE");
    return set && strcmp(set, "off") == 0;
}

/* True for what nobody but us, or root, could have written to. */
static bool is_ours(const struct stat *status)
{
    return status->st_uid == geteuid() && !(status->st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory; -1: none that may be used. */
static int open_directory(bool make)
{
    CLEANUP_FREE char *parent = is_off() ? NULL : user_directory("XDG_CACHE_HOME", ".cache");
    CLEANUP_FREE char *path = NULL;
    struct stat status;
    if (!parent || asprintf(&path, "%s/manhole-attach/", parent) < 0) {
        path = NULL;
        return -1;
    }
    if (make && !user_directory_make(path))
        return -1;
    path[strlen(path) - 1] = '\0'; /* a slash at the end would follow a link */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &status) != 0 || !is_ours(&status))) {
        close(fd);
        return -1;
    }
    return fd;
}

#define NAME_SIZE (2 * BUILD_ID_MAX + 16)

static void write_name(const struct user_cache_key *key, const char *kind, char name[NAME_SIZE])
{
    size_t at = 0;
    for (size_t i = 0; i < key->build_id_size; i++)
        at += (size_t)snprintf(name + at, NAME_SIZE - at, "%02x", key->build_id[i]);
    snprintf(name + at, NAME_SIZE - at, ".%.7s", kind);
}

bool user_cache_key(int fd, const uint8_t *build_id, size_t build_id_size,
                    struct user_cache_key *ret)
{
    struct stat status;
    *ret = (struct user_cache_key){.build_id_size = build_id_size};
    if (fd < 0 || !build_id_size || build_id_size > BUILD_ID_MAX || fstat(fd, &status) != 0)
        return false;
    memcpy(ret->build_id, build_id, build_id_size);
    ret->size = (uint64_t)status.st_size;
    ret->seconds = (uint64_t)status.st_mtim.tv_sec;
    ret->nanoseconds = (uint64_t)status.st_mtim.tv_nsec;
    return true;
}

/* --- The checksum. --- */

/* Four sums side by side, since files are large and a processor multiplies several at a time: no
   secret, it finds what went wrong by itself. */
static void add_to_sums(uint64_t sums[4], const uint64_t words[4])
{
    for (size_t i = 0; i < 4; i++) {
        sums[i] = (sums[i] ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        sums[i] ^= sums[i] >> 29;
    }
}

static uint64_t checksum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sums[4] = {size, 1, 2, 3}, words[4];
    for (; size >= sizeof(words); bytes += sizeof(words), size -= sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        add_to_sums(sums, words);
    }
    if (size) {
        memset(words, 0, sizeof(words));
        memcpy(words, bytes, size);
        add_to_sums(sums, words);
    }
    for (size_t i = 1; i < 4; i++)
        sums[0] = (sums[0] ^ (sums[i] >> 32) ^ sums[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return sums[0];
}

/* --- Reading. --- */

static bool map_file(int fd, struct user_cache_file *ret)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || !is_ours(&status) ||
        (uint64_t)status.st_size > USER_CACHE_FILE_MAX)
        return false;
    /* All of it is read for its checksum. */
    void *bytes = status.st_size ? mmap(NULL, (size_t)status.st_size, PROT_READ,
                                        MAP_PRIVATE | MAP_POPULATE, fd, 0)
                                 : MAP_FAILED;
    if (bytes == MAP_FAILED)
        return false;
    *ret = (struct user_cache_file){
        .bytes = bytes, .mapped = (size_t)status.st_size, .fd = fd, .size = (size_t)status.st_size};
    return true;
}

static void make_seal(const struct user_cache_key *key, const char *kind, size_t size,
                      struct seal *ret)
{
    *ret = (struct seal){.version = VERSION, .key = *key, .size = size};
    memcpy(ret->magic, seal_magic, sizeof(ret->magic));
    strncpy(ret->kind, kind, sizeof(ret->kind) - 1);
}

/* Cuts the seal off, if it is the expected one and what is before it is whole. */
static bool break_seal(struct user_cache_file *file, const struct user_cache_key *key,
                       const char *kind)
{
    struct seal expected, seal;
    if (file->mapped < sizeof(seal))
        return false;
    file->size = file->mapped - sizeof(seal);
    memcpy(&seal, file->bytes + file->size, sizeof(seal));
    make_seal(key, kind, file->size, &expected);
    if (memcmp(&seal, &expected, offsetof(struct seal, checksum)) != 0)
        return false;
    return seal.checksum == checksum_of(file->bytes, file->mapped - sizeof(seal.checksum));
}

bool user_cache_open(const struct user_cache_key *key, const char *kind,
                     struct user_cache_file *ret)
{
    char name[NAME_SIZE];
    *ret = (struct user_cache_file){.fd = -1};
    CLEANUP_CLOSE int directory = open_directory(false);
    if (directory < 0)
        return false;
    write_name(key, kind, name);
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (!map_file(fd, ret)) {
        close(fd);
        return false;
    }
    if (!break_seal(ret, key, kind)) {
        user_cache_close(ret);
        (void)unlinkat(directory, name, 0);
        return false;
    }
    /* It is among the last to go. */
    (void)futimens(fd, NULL);
    return true;
}

bool user_cache_has(const struct user_cache_key *key, const char *kind)
{
    char name[NAME_SIZE];
    CLEANUP_CLOSE int directory = open_directory(false);
    write_name(key, kind, name);
    return directory >= 0 && faccessat(directory, name, R_OK, AT_EACCESS) == 0;
}

void user_cache_close(struct user_cache_file *file)
{
    if (file->bytes)
        munmap((void *)file->bytes, file->mapped);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct user_cache_file){.fd = -1};
}

/* --- Writing. --- */

static bool write_all(int fd, const void *bytes, size_t size)
{
    for (const uint8_t *at = bytes; size;) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

/* The oldest file in the directory, by when it was last used, and the size of all. */
static uint64_t find_oldest(DIR *files, char name[NAME_MAX + 1])
{
    struct timespec oldest = {0};
    uint64_t total = 0;
    struct dirent *entry;
    rewinddir(files);
    *name = '\0';
    while ((entry = readdir(files))) {
        struct stat status;
        if (fstatat(dirfd(files), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        total += (uint64_t)status.st_size;
        if (*name &&
            (status.st_mtim.tv_sec > oldest.tv_sec ||
             (status.st_mtim.tv_sec == oldest.tv_sec && status.st_mtim.tv_nsec >= oldest.tv_nsec)))
            continue;
        oldest = status.st_mtim;
        snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
    }
    return total;
}

/* Removes what is too much when `size` bytes come, half written files of killed runs too. */
static void make_room(int directory, uint64_t size)
{
    char name[NAME_MAX + 1];
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *files = copy >= 0 ? fdopendir(copy) : NULL;
    if (!files) {
        if (copy >= 0)
            close(copy);
        return;
    }
    while (find_oldest(files, name) + size > USER_CACHE_SIZE_MAX && *name) {
        if (unlinkat(directory, name, 0) != 0)
            return;
    }
}

static bool is_too_much(int directory, uint64_t size)
{
    struct statvfs space;
    return size > USER_CACHE_FILE_MAX || fstatvfs(directory, &space) != 0 ||
           (uint64_t)space.f_bavail * space.f_frsize / FREE_SHARE < size;
}

static uint64_t size_of(const struct iovec *parts, size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* Writes the parts and the seal; the checksum is that of what can be read again. */
static bool write_file(int fd, const struct user_cache_key *key, const char *kind,
                       const struct iovec *parts, size_t count)
{
    struct seal seal;
    struct user_cache_file written;
    for (size_t i = 0; i < count; i++) {
        if (!write_all(fd, parts[i].iov_base, parts[i].iov_len))
            return false;
    }
    make_seal(key, kind, size_of(parts, count), &seal);
    if (!write_all(fd, &seal, offsetof(struct seal, checksum)) || !map_file(fd, &written))
        return false;
    seal.checksum = checksum_of(written.bytes, written.mapped);
    munmap((void *)written.bytes, written.mapped);
    return write_all(fd, &seal.checksum, sizeof(seal.checksum));
}

void user_cache_save(const struct user_cache_key *key, const char *kind, const struct iovec *parts,
                     size_t count)
{
    uint64_t size = size_of(parts, count) + sizeof(struct seal);
    char name[NAME_SIZE], temporary[32];
    CLEANUP_CLOSE int directory = open_directory(true);
    if (directory < 0 || is_too_much(directory, size))
        return;
    make_room(directory, size);
    snprintf(temporary, sizeof(temporary), "new-%d", getpid());
    (void)unlinkat(directory, temporary, 0); /* of a process that had our pid */
    CLEANUP_CLOSE int fd =
        openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    write_name(key, kind, name);
    if (!write_file(fd, key, kind, parts, count) ||
        renameat(directory, temporary, directory, name) != 0)
        (void)unlinkat(directory, temporary, 0);
}

uint64_t user_cache_after_us(void)
{
    const char *set = getenv("MANHOLE_CACHE_AFTER_MS");
    char *end;
    unsigned long ms = set ? strtoul(set, &end, 10) : AFTER_MS;
    if (is_off())
        return UINT64_MAX;
    return 1000 * (uint64_t)(set && (*end || ms > UINT32_MAX) ? AFTER_MS : ms);
}
