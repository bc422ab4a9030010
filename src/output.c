#include "src/output.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error *cannot_write(const char *path, int errnum)
{
    return error_create(ERROR_PARTIAL, errnum, "%s cannot be written: %s", path, strerror(errnum));
}

/* The file that `path` leads to, which need not exist yet; malloc'ed. */
static char *resolve_place(const char *path)
{
    char *place = realpath(path, NULL);
    return place ? place : strdup(path);
}

/* 0666 less the umask for a new file; an old one keeps its mode. */
static mode_t mode_of(const struct stat *old)
{
    if (old)
        return old->st_mode & 07777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static struct error *open_beside(struct output *output)
{
    output->place = resolve_place(output->path);
    if (!output->place)
        return error_no_memory();
    char directory[PATH_MAX];
    const char *slash = strrchr(output->place, '/');
    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - output->place) + 1 : 1,
             slash ? output->place : ".");
    if (access(directory, W_OK | X_OK) != 0)
        return cannot_write(output->path, errno);
    output->file = open_memstream(&output->text, &output->size);
    return output->file ? NULL : error_no_memory();
}

static struct error *open_directly(struct output *output)
{
    output->file = fopen(output->path, "we");
    return output->file ? NULL : cannot_write(output->path, errno);
}

struct error *output_open(const char *path, struct output *ret)
{
    *ret = (struct output){.path = path};
    if (!path) {
        ret->file = stdout;
        return NULL;
    }
    struct stat old;
    bool exists = stat(path, &old) == 0;
    struct error *error = NULL;
    if (exists && S_ISDIR(old.st_mode))
        error = cannot_write(path, EISDIR);
    else if (exists && S_ISREG(old.st_mode) && access(path, W_OK) != 0)
        error = cannot_write(path, errno);
    else if (exists && !S_ISREG(old.st_mode))
        error = open_directly(ret);
    else
        error = open_beside(ret);
    if (error)
        output_discard(ret);
    return error;
}

struct error *output_open_private(const char *path, struct output *ret)
{
    struct error *error = output_open(path, ret);
    ret->private = true;
    return error;
}

/* 0, or the errno of the first write that failed. */
static int flush(FILE *file)
{
    bool failed = ferror(file);
    errno = 0;
    if (fflush(file) != 0)
        return errno ? errno : EIO;
    return failed ? EIO : 0;
}

static struct error *close_standard_output(bool *broken_pipe)
{
    int errnum = flush(stdout);
    if (errnum == EPIPE && broken_pipe) {
        *broken_pipe = true;
        errnum = 0;
    }
    clearerr(stdout);
    return errnum ? cannot_write("standard output", errnum) : NULL;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* Gives the new file the mode and, as far as we may, the owner of the one it replaces. */
static int take_over(int fd, const char *place)
{
    struct stat old;
    bool exists = stat(place, &old) == 0;
    /* Who may not give it away gets a file of their own, as with any editor. */
    if (exists && fchown(fd, old.st_uid, old.st_gid) != 0)
        exists = false;
    return fchmod(fd, mode_of(exists ? &old : NULL)) == 0 ? 0 : errno;
}

/* Returns 0 or an errno; then nothing is left of the temporary file. */
static int put_in_place(const struct output *output)
{
    CLEANUP_FREE char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", output->place) < 0) {
        temporary = NULL;
        return ENOMEM;
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return errno;
    int errnum = write_all(fd, output->text, output->size);
    /* mkostemp(3) has made it for us alone. */
    if (!errnum && !output->private)
        errnum = take_over(fd, output->place);
    /* Some file systems say only now that the disk or a quota is full. */
    if (close(fd) != 0 && !errnum)
        errnum = errno;
    if (!errnum && rename(temporary, output->place) != 0)
        errnum = errno;
    if (errnum)
        unlink(temporary); /* if that fails too, there is nothing better to say */
    return errnum;
}

struct error *output_close(struct output *output, bool *broken_pipe)
{
    if (!output->path)
        return close_standard_output(broken_pipe);

    int errnum = flush(output->file);
    if (fclose(output->file) != 0 && !errnum)
        errnum = errno;
    output->file = NULL;
    if (!errnum && output->place)
        errnum = put_in_place(output);
    struct error *error = errnum ? cannot_write(output->path, errnum) : NULL;
    output_discard(output);
    return error;
}

void output_discard(struct output *output)
{
    if (output->file && output->path)
        fclose(output->file); /* what it failed to write is thrown away anyway */
    free(output->text);
    free(output->place);
    *output = (struct output){0};
}
