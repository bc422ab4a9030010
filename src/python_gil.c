#include "src/python_gil.h"

#include "injector/cleanup.h"
#include "injector/maps.h"
#include "injector/module.h"
#include "injector/python.h"
#include "src/message.h"
#include "src/syscalls.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* The lock moves up to 200 times a second (sys.getswitchinterval): who has it at both looks, so far
   apart, has not given it away, or has it most of the time. */
#define BETWEEN_LOOKS_MS 50

static void destroy_python(struct python **python)
{
    python_destroy(*python);
}

static pid_t holder_by(const struct python *python, const struct python_memory *memory)
{
    CLEANUP_FREE pid_t *tids = NULL;
    size_t count;
    struct python_threads *threads = NULL;
    pid_t holder = 0;
    CLEANUP_ERROR struct error *error = process_threads(python->process, &tids, &count);
    if (!error)
        error = python_threads_read(python, memory, tids, count, &threads);
    for (size_t i = 0; !error && threads && i < threads->count && !holder; i++) {
        if (threads->items[i].interpreter_id != 0)
            continue;
        struct python_gil gil = python_gil_holder(python, memory, threads, &threads->items[i]);
        holder = gil.state == GIL_HELD ? gil.tid : 0;
    }
    python_threads_destroy(threads);
    return holder;
}

/* Who holds the main interpreter's at this moment; 0: nobody, or it is not known. */
static pid_t find_holder(const struct python *python)
{
    struct python_live *live = python_live_create(python->process);
    if (!live)
        return 0;
    struct python_memory memory = python_live_memory(live);
    pid_t holder = holder_by(python, &memory);
    python_live_destroy(live);
    return holder;
}

static pid_t find_lasting_holder(const struct process *process)
{
    CLEANUP_MAPS struct maps *maps = NULL;
    CLEANUP_MODULES struct modules *modules = NULL;
    __attribute__((cleanup(destroy_python))) struct python *python = NULL;
    CLEANUP_ERROR struct error *error = maps_read(process, &maps);
    if (!error)
        error = modules_create(process, maps, &modules);
    if (!error)
        error = python_find(modules, &python);
    if (error || !python || python->problem[0])
        return 0;
    pid_t holder = find_holder(python);
    if (holder)
        poll(NULL, 0, BETWEEN_LOOKS_MS);
    return holder && find_holder(python) == holder ? holder : 0;
}

/* What a thread does, as the kernel tells (proc(5), /proc/PID/syscall). */
static void describe_thread(const struct process *process, pid_t tid, char *text, size_t size)
{
    CLEANUP_FREE char *call = NULL;
    long number;
    if (process_read_file(process, tid, "syscall", &call) <= 0)
        snprintf(text, size, "is not seen any more");
    else if (strncmp(call, "running", 7) == 0)
        snprintf(text, size, "computes");
    else if (sscanf(call, "%ld", &number) == 1 && number >= 0 && syscall_name(number))
        snprintf(text, size, "is in %s()", syscall_name(number));
    else
        snprintf(text, size, "waits in the kernel");
}

void python_gil_describe(const struct process *process, char *text, size_t size)
{
    char what[64], clean[64];
    CLEANUP_FREE char *name = NULL;
    *text = '\0';
    pid_t holder = find_lasting_holder(process);
    if (!holder || process_read_file(process, holder, "comm", &name) <= 0)
        return;
    name[strcspn(name, "\n")] = '\0';
    describe_thread(process, holder, what, sizeof(what));
    snprintf(text, size, "thread %d (%s) holds it, and %s", holder,
             message_sanitize(name, clean, sizeof(clean)), what);
}
