#include "src/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool pager_is_needed(int fd, const char *text)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
        return false;
    size_t rows = 1; /* of the next prompt */
    while (*text && rows <= size.ws_row) {
        size_t length = strcspn(text, "\n");
        rows += length ? (length + size.ws_col - 1) / size.ws_col : 1;
        text += length + (text[length] == '\n');
    }
    return rows > size.ws_row;
}

static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char file[4096];
        int length = (int)strcspn(path, ":");
        snprintf(file, sizeof(file), "%.*s/%s", length, path, name);
        if (access(file, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

static const char *find_command(void)
{
    const char *wanted = getenv("PAGER");
    if (wanted)
        return *wanted ? wanted : NULL;
    return is_in_path("less") ? "less -R" : NULL;
}

/* In the child: never returns. */
static void run(const char *command, int in, const sigset_t *mask)
{
    dup2(in, STDIN_FILENO);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

bool pager_open(struct pager *pager, const sigset_t *mask)
{
    const char *command = find_command();
    int ends[2];
    *pager = (struct pager){.shows_colours = !getenv("PAGER")};
    if (!command || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pager->in = fdopen(ends[1], "w");
    pager->pid = pager->in ? fork() : -1;
    if (pager->pid == 0)
        run(command, ends[0], mask);
    close(ends[0]);
    pager->on_pipe = signal(SIGPIPE, SIG_IGN);
    if (pager->pid > 0)
        return true;
    signal(SIGPIPE, pager->on_pipe);
    if (pager->in)
        fclose(pager->in);
    else
        close(ends[1]);
    return false;
}

void pager_close(struct pager *pager)
{
    fclose(pager->in); /* the user may have left before the end: EPIPE is no failure */
    while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    signal(SIGPIPE, pager->on_pipe);
}
