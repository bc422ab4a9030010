/* manhole-attach --check: what attach would do, and whether it would succeed; touches nothing. */
#include "injector/inject.h"
#include "src/locate.h"
#include "src/message.h"
#include "src/payload_file.h"
#include "src/verbs.h"

#include <stdio.h>

static void print_target(const struct process *process)
{
    char executable[512], name[256];
    printf("process %d (%s), %s\n", process->pid,
           message_sanitize(process->name, name, sizeof(name)),
           message_sanitize(process->executable, executable, sizeof(executable)));
}

static void print_plan(const struct process *process, const struct inject_plan *plan,
                       const char *payload)
{
    char clean[512];
    printf("attach would load %s by borrowing one thread for microseconds\n", payload);
    printf("threads: %zu, of which %zu can be borrowed now\n", plan->thread_count,
           plan->candidates);
    printf("C library: %s%s\n", message_sanitize(plan->libc_path, clean, sizeof(clean)),
           plan->is_musl ? " (musl: uninstalling will leave the code mapped, and inert)" : "");
    printf("socket: /tmp/manhole-%d, as the process sees it\n", process->namespace_pid);
    if (plan->note[0])
        printf("note: %s\n", message_sanitize(plan->note, clean, sizeof(clean)));
}

static struct error *check_process(struct process *process)
{
    print_target(process);
    struct manhole_place place;
    struct error *error = locate_manhole(process, &place);
    if (error)
        return error;
    if (place.listening) {
        char clean[4 * SOCKET_PATH_MAX];
        printf("a manhole is there: attach would connect to %s, and load nothing\n",
               message_sanitize(place.socket_path, clean, sizeof(clean)));
        return NULL;
    }
    error = process_check_access(process);
    if (error)
        return error;
    struct inject_plan plan;
    error = inject_plan(process, PAYLOAD_SONAME, &plan);
    if (error)
        return error;
    if (plan.loaded) {
        printf("libmanhole is loaded: attach would ask where it listens, or make it listen\n");
        return NULL;
    }
    CLEANUP_PAYLOAD_FILE struct payload_file payload = {0};
    error = payload_file_init(&payload);
    if (!error)
        print_plan(process, &plan, payload.path);
    return error;
}

int check_run(const struct options *options)
{
    CLEANUP_PROCESS struct process *process = NULL;
    struct error *error = process_open(options->targets[0].pid, &process);
    if (!error)
        error = check_process(process);
    return error ? message_error(error) : 0;
}
