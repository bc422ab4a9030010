#include "src/no_answer.h"

#include "injector/cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_stopped(const struct process *process)
{
    char state[32];
    return process_status_field(process, 0, "State", state, sizeof(state)) && state[0] == 'T';
}

/* The soft limit of open files: descriptors are below it; 0: there is none, or it is not told. */
static unsigned long descriptor_limit(const struct process *process)
{
    static const char name[] = "Max open files";
    CLEANUP_FREE char *limits = NULL;
    if (process_read_file(process, 0, "limits", &limits) <= 0)
        return 0;
    const char *line = strstr(limits, name);
    return line ? strtoul(line + strlen(name), NULL, 10) : 0;
}

static bool descriptors_are_used_up(const struct process *process)
{
    unsigned long limit = descriptor_limit(process), used = 0;
    int fd = limit ? process_open_file(process, 0, "fd", O_RDONLY | O_DIRECTORY) : -1;
    CLEANUP_CLOSEDIR DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return false;
    for (struct dirent *entry; (entry = readdir(directory));)
        used +=
            isdigit((unsigned char)entry->d_name[0]) && strtoul(entry->d_name, NULL, 10) < limit;
    return used == limit;
}

struct error *no_answer(const struct process *process, const char *path)
{
    if (process && is_stopped(process))
        return error_create(ERROR_DEADLINE, 0,
                            "%s: no answer: process %d (%s) is stopped; continue it (kill -CONT "
                            "%d), then try again",
                            path, process->pid, process->name, process->pid);
    if (process && descriptors_are_used_up(process))
        return error_create(ERROR_DEADLINE, 0,
                            "%s: no answer: process %d (%s) has no descriptor left for a client; "
                            "raise its limit (prlimit --nofile), then try again",
                            path, process->pid, process->name);
    return error_create(ERROR_DEADLINE, 0,
                        "%s: no answer: the process is overloaded, or this is no manhole; look at "
                        "it with --dump, try again later",
                        path);
}
