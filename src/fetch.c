#include "src/fetch.h"

#include "injector/cleanup.h"
#include "injector/debug_server.h"
#include "src/message.h"
#include "src/progress.h"

/* The modules that frames are in: few, so that each frame is compared with those known so far. */
static size_t collect(struct modules *modules, const struct stack *stacks, size_t count,
                      struct module **ret)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < stacks[i].count; j++) {
            struct module *module = modules_find(modules, frame_lookup_pc(&stacks[i].frames[j]));
            bool known = !module;
            for (size_t k = found; k-- > 0 && !known;)
                known = ret[k] == module;
            if (!known)
                ret[found++] = module;
        }
    }
    return found;
}

void fetch_debug_files(struct modules *modules, const struct stack *stacks, size_t count,
                       bool show_progress)
{
    if (!debug_server_wanted())
        return;
    CLEANUP_FREE struct module **wanted = calloc(modules->count + 1, sizeof(struct module *));
    if (!wanted)
        return;
    size_t wanted_count = collect(modules, stacks, count, wanted);
    CLEANUP_PROGRESS struct progress *progress =
        show_progress ? progress_start("asking debuginfod for debug files") : NULL;
    for (size_t i = 0; i < wanted_count; i++) {
        progress_update(progress, "asking debuginfod for debug files, %zu of %zu", i + 1,
                        wanted_count);
        module_fetch_debug_file(wanted[i]);
    }
    progress_end(progress);
    progress = NULL;
    const char *problem = debug_server_problem();
    if (problem)
        message_note("%s", problem);
}
