#include "src/payload_file.h"

#include "injector/cleanup.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* Far above any payload: a wrong file must not fill our memory. */
#define PAYLOAD_SIZE_MAX (64u << 20)
/* Where the headers are, bytes of the file. */
#define HEAD_SIZE 4096

/* The directory of our own binary, or false when /proc does not tell. */
static bool own_directory(char *buffer, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", buffer, size - 1);
    if (length <= 0)
        return false;
    buffer[length] = '\0';
    char *slash = strrchr(buffer, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static struct error *find_path(char **ret)
{
    char directory[PATH_MAX];
    if (own_directory(directory, sizeof(directory))) {
        CLEANUP_FREE char *beside = NULL;
        if (asprintf(&beside, "%s/" PAYLOAD_SONAME, directory) < 0) {
            beside = NULL;
            return error_no_memory();
        }
        /* One that is there but unreadable is reported, not passed over for another version. */
        if (faccessat(AT_FDCWD, beside, F_OK, AT_EACCESS) == 0) {
            *ret = beside;
            beside = NULL;
            return NULL;
        }
    }
    *ret = strdup(MANHOLE_LIBDIR "/" PAYLOAD_SONAME);
    return *ret ? NULL : error_no_memory();
}

static struct error *explain_open(const char *path, int errnum)
{
    if (errnum == ENOENT || errnum == ENOTDIR)
        return error_create(ERROR_PARTIAL, errnum,
                            "%s: the payload is missing, here and next to manhole-attach; install "
                            "it with 'make install', or build it with 'make'",
                            path);
    return error_create(ERROR_PARTIAL, errnum,
                        "%s: the payload is unreadable: %s; check its permissions, or install it "
                        "again with 'make install'",
                        path, strerror(errnum));
}

static struct error *explain_content(const char *path, const char *what)
{
    return error_create(ERROR_PARTIAL, 0,
                        "%s: %s, so it cannot be the payload; build it again with 'make', or "
                        "install it again with 'make install'",
                        path, what);
}

static bool read_fully(int fd, void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, (char *)buffer + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0) {
            errno = ENODATA;
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

/* The machine we were built for, from our own ELF header, so that no name of it stands here. */
static bool own_header(Elf64_Ehdr *ret)
{
    CLEANUP_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read_fully(fd, ret, sizeof(*ret));
}

static size_t head_size(const struct payload_file *file)
{
    return file->size < HEAD_SIZE ? file->size : HEAD_SIZE;
}

static struct error *check_content(const struct payload_file *file)
{
    const Elf64_Ehdr *header = file->image;
    if (file->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return explain_content(file->path, "not an ELF file");
    Elf64_Ehdr own;
    if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
        (own_header(&own) &&
         (header->e_machine != own.e_machine || header->e_ident[EI_DATA] != own.e_ident[EI_DATA])))
        return explain_content(file->path, "built for another machine");
    if (header->e_type != ET_DYN)
        return explain_content(file->path, "not a shared object");
    size_t head = head_size(file);
    if (header->e_phoff > head || header->e_phoff % _Alignof(Elf64_Phdr) != 0 ||
        header->e_phnum > (head - header->e_phoff) / sizeof(Elf64_Phdr))
        return explain_content(file->path, "cut short");
    const Elf64_Phdr *segments = (const void *)((const char *)file->image + header->e_phoff);
    for (size_t i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD &&
            (segments[i].p_offset > file->size ||
             segments[i].p_filesz > file->size - segments[i].p_offset))
            return explain_content(file->path, "cut short");
    return NULL;
}

/*
 * Where what a loader reads ends. Symbols and debug information lie behind it, and the target would
 * hold all of the file in memory as long as it is loaded.
 */
static size_t end_of_segments(const struct payload_file *file)
{
    const Elf64_Ehdr *header = file->image;
    const Elf64_Phdr *segments = (const void *)((const char *)file->image + header->e_phoff);
    size_t end = HEAD_SIZE;
    for (size_t i = 0; i < header->e_phnum; i++) {
        size_t its = segments[i].p_offset + segments[i].p_filesz;
        if (segments[i].p_type == PT_LOAD && its > end)
            end = its;
    }
    return end < file->size ? end : file->size;
}

static void forget_sections(Elf64_Ehdr *header)
{
    header->e_shoff = 0;
    header->e_shnum = header->e_shstrndx = SHN_UNDEF;
}

static struct error *read_content(struct payload_file *file)
{
    /* Non-blocking, so that a FIFO of that name cannot hold us. */
    CLEANUP_CLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return explain_open(file->path, errno);
    struct stat status;
    if (fstat(fd, &status) < 0)
        return explain_open(file->path, errno);
    if (!S_ISREG(status.st_mode))
        return explain_content(file->path, "not a regular file");
    if (status.st_size == 0)
        return explain_content(file->path, "empty");
    if (status.st_size > PAYLOAD_SIZE_MAX)
        return explain_content(file->path, "far too large");
    file->size = (size_t)status.st_size;
    file->image = malloc(file->size);
    if (!file->image)
        return error_no_memory();
    size_t head = head_size(file);
    if (!read_fully(fd, file->image, head))
        return explain_open(file->path, errno);
    struct error *error = check_content(file);
    if (error)
        return error;
    file->size = end_of_segments(file);
    if (!read_fully(fd, (char *)file->image + head, file->size - head))
        return explain_open(file->path, errno);
    forget_sections(file->image);
    return NULL;
}

struct error *payload_file_init(struct payload_file *ret)
{
    *ret = (struct payload_file){0};
    struct payload_file file = {0};
    struct error *error = find_path(&file.path);
    if (!error)
        error = read_content(&file);
    if (error) {
        payload_file_deinit(&file);
        return error;
    }
    *ret = file;
    return NULL;
}

void payload_file_deinit(struct payload_file *file)
{
    free(file->path);
    free(file->image);
    *file = (struct payload_file){0};
}
