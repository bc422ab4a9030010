#include "injector/sleepers.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct sleepers {
    size_t count;
    size_t open, open_max;
    int counters[]; /* -1: not open */
};

struct sleepers *sleepers_create(size_t count)
{
    struct sleepers *sleepers = malloc(sizeof(*sleepers) + count * sizeof(sleepers->counters[0]));
    struct rlimit files;
    if (!sleepers)
        return NULL;
    *sleepers = (struct sleepers){.count = count};
    if (!getrlimit(RLIMIT_NOFILE, &files))
        sleepers->open_max = files.rlim_cur / 2;
    for (size_t i = 0; i < count; i++)
        sleepers->counters[i] = -1;
    return sleepers;
}

static void close_counter(struct sleepers *sleepers, size_t index)
{
    close(sleepers->counters[index]);
    sleepers->counters[index] = -1;
    sleepers->open--;
}

void sleepers_destroy(struct sleepers *sleepers)
{
    if (!sleepers)
        return;
    for (size_t i = 0; i < sleepers->count; i++) {
        if (sleepers->counters[i] >= 0)
            close_counter(sleepers, i);
    }
    free(sleepers);
}

void sleepers_keep(struct sleepers *sleepers, size_t index, const struct process *process,
                   const struct look *look)
{
    if (sleepers->open >= sleepers->open_max)
        return;
    sleepers->counters[index] = look_open_counter(process, look);
    sleepers->open += sleepers->counters[index] >= 0;
}

void sleepers_pass_on(struct sleepers *from, size_t from_index, struct sleepers *to,
                      size_t to_index)
{
    if (from->counters[from_index] < 0)
        return;
    to->counters[to_index] = from->counters[from_index];
    to->open++;
    from->counters[from_index] = -1;
    from->open--;
}

bool sleepers_slept_on(struct sleepers *sleepers, size_t index, const struct process *process,
                       const struct look *look)
{
    if (sleepers->counters[index] < 0)
        return look_slept_on(process, look);
    if (look_counter_stands(sleepers->counters[index], look))
        return true;
    /* It never will again. */
    close_counter(sleepers, index);
    return false;
}
