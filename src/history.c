#include "src/history.h"

#include "injector/cleanup.h"
#include "src/user_directory.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* Longer lines are remembered, but a file of the user's is not read without a bound. */
#define FILE_SIZE_MAX (4 << 20)

static char *find_path(void)
{
    CLEANUP_FREE char *directory = user_directory("XDG_STATE_HOME", ".local/state");
    char *path = NULL;
    if (!directory || asprintf(&path, "%s/manhole-attach/history", directory) < 0)
        return NULL;
    if (user_directory_make(path))
        return path;
    free(path);
    return NULL;
}

/* The file if it is a regular one of ours: nobody's link or FIFO. */
static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat status;
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
                    status.st_uid != geteuid() || status.st_size > FILE_SIZE_MAX)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void remember(struct line_history *lines, const char *line)
{
    HistEvent event;
    if (lines->history)
        history(lines->history, &event, H_ENTER, line);
}

/* Rewrites the file with the lines in memory, which are the newest. */
static void shorten_file(const struct line_history *lines)
{
    CLEANUP_FREE char *temporary = NULL;
    if (asprintf(&temporary, "%s.%d", lines->path, getpid()) < 0) {
        temporary = NULL;
        return;
    }
    int fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        if (fd >= 0)
            close(fd);
        return;
    }
    HistEvent event;
    for (int ok = history(lines->history, &event, H_LAST); ok >= 0;
         ok = history(lines->history, &event, H_PREV))
        fprintf(file, "%s\n", event.str);
    bool written = !ferror(file);
    if (fclose(file) != 0 || !written || rename(temporary, lines->path) != 0)
        unlink(temporary);
}

static void load_file(struct line_history *lines)
{
    int fd = open_file(lines->path, O_RDONLY);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!file) {
        if (fd >= 0)
            close(fd);
        return;
    }
    CLEANUP_FREE char *line = NULL;
    size_t capacity = 0, count = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0; count++) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        remember(lines, line);
    }
    fclose(file);
    if (count / 2 > LINE_HISTORY_MAX)
        shorten_file(lines);
}

void line_history_init(struct line_history *ret)
{
    *ret = (struct line_history){.history = history_init()};
    if (!ret->history)
        return;
    HistEvent event;
    history(ret->history, &event, H_SETSIZE, LINE_HISTORY_MAX);
    history(ret->history, &event, H_SETUNIQUE, 1);
    ret->path = find_path();
    if (ret->path)
        load_file(ret);
}

void line_history_deinit(struct line_history *lines)
{
    if (lines->history)
        history_end(lines->history);
    free(lines->path);
    *lines = (struct line_history){0};
}

void line_history_add(struct line_history *lines, const char *line)
{
    HistEvent event;
    bool repeated = lines->history && history(lines->history, &event, H_FIRST) >= 0 &&
                    strcmp(event.str, line) == 0;
    if (repeated)
        return;
    remember(lines, line);
    CLEANUP_CLOSE int fd = lines->path ? open_file(lines->path, O_WRONLY | O_APPEND | O_CREAT) : -1;
    if (fd < 0)
        return;
    /* One write, so that two sessions do not mix their lines; what fails is only a memory less. */
    CLEANUP_FREE char *whole = NULL;
    int length = asprintf(&whole, "%s\n", line);
    if (length < 0)
        whole = NULL;
    else if (write(fd, whole, (size_t)length) < 0)
        return;
}
