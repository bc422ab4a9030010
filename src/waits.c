#include "src/waits.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "src/descriptors.h"
#include "src/syscalls.h"
#include "src/waits_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *wait_kind_name(enum wait_kind kind)
{
    static const char *const names[] = {
        [WAIT_MUTEX] = "mutex",
        [WAIT_RWLOCK_READ] = "rwlock-read",
        [WAIT_RWLOCK_WRITE] = "rwlock-write",
        [WAIT_CONDITION] = "condition",
        [WAIT_SEMAPHORE] = "semaphore",
        [WAIT_BARRIER] = "barrier",
        [WAIT_JOIN] = "join",
        [WAIT_ONCE] = "once",
        [WAIT_STATIC] = "static",
        [WAIT_ALLOCATOR] = "malloc",
        [WAIT_STREAM] = "stream",
        [WAIT_FUTEX] = "futex",
        [WAIT_GIL] = "gil",
        [WAIT_DESCRIPTOR] = "descriptor",
        [WAIT_FILE_LOCK] = "file-lock",
        [WAIT_CHILD] = "child",
        [WAIT_TIME] = "sleep",
    };
    return names[kind];
}

void wait_add_detail(struct wait *wait, const char *format, ...)
{
    CLEANUP_FREE char *more = NULL;
    char *both;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&more, format, arguments) < 0)
        more = NULL;
    va_end(arguments);
    if (!more || asprintf(&both, "%s%s%s", wait->detail ? wait->detail : "",
                          wait->detail ? ", " : "", more) < 0)
        return;
    free(wait->detail);
    wait->detail = both;
}

/* --- Who. --- */

/* The ids that the target's own memory has for its threads, where those are not ours
   (pid_namespaces(7)). */
static void read_inner_ids(struct search *search)
{
    const struct report *report = search->report;
    search->inner_read = true;
    search->inner = calloc(report->thread_count + 1, sizeof(*search->inner));
    for (size_t i = 0; i < report->thread_count && search->inner; i++)
        search->inner[i] = process_namespace_tid(report->process, report->threads[i].thread->tid);
}

static pid_t inner_id(const struct search *search, size_t index)
{
    if (!search->nested)
        return search->report->threads[index].thread->tid;
    return search->inner ? search->inner[index] : 0;
}

static size_t find_thread(struct search *search, pid_t inner)
{
    if (search->nested && !search->inner_read)
        read_inner_ids(search);
    for (size_t i = 0; i < search->report->thread_count; i++) {
        if (inner_id(search, i) == inner)
            return i;
    }
    return NO_THREAD;
}

void wait_set_thread(const struct search *search, size_t index, struct wait_owner *ret)
{
    const struct thread_snapshot *thread = search->report->threads[index].thread;
    *ret = (struct wait_owner){.kind = OWNER_THREAD,
                               .tid = thread->tid,
                               .pid = search->report->process->pid,
                               .index = index};
    memcpy(ret->name, thread->name, sizeof(ret->name));
}

/* The same memory, whatever its address there: mmap(2), MAP_SHARED. */
static bool maps_same_object(const struct maps *maps, const struct mapping *object)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping->shared && mapping->inode == object->inode &&
            mapping->device_major == object->device_major &&
            mapping->device_minor == object->device_minor)
            return true;
    }
    return false;
}

static bool shares_memory(const struct search *search, pid_t tid, const struct mapping *object)
{
    char path[32];
    CLEANUP_FREE char *text = NULL;
    CLEANUP_MAPS struct maps *maps = NULL;
    snprintf(path, sizeof(path), "%d/maps", tid);
    if (process_read_system_file(search->report->process, path, &text) <= 0)
        return false;
    struct error *error = maps_parse(text, &maps);
    error_destroy(error); /* then it is not known to share anything */
    return !error && maps_same_object(maps, object);
}

/* Reads /proc/ID/status of any thread. False: there is none. */
static bool read_identity(const struct search *search, pid_t tid, struct wait_owner *ret)
{
    char path[32], tgid[32];
    CLEANUP_FREE char *status = NULL;
    snprintf(path, sizeof(path), "%d/status", tid);
    if (process_read_system_file(search->report->process, path, &status) <= 0 ||
        !process_text_field(status, "Tgid", tgid, sizeof(tgid)))
        return false;
    ret->tid = tid;
    ret->pid = (pid_t)atoi(tgid);
    if (!process_text_field(status, "Name", ret->name, sizeof(ret->name)))
        ret->name[0] = '\0';
    return true;
}

void wait_set_process(const struct search *search, pid_t pid, struct wait_owner *ret)
{
    *ret = (struct wait_owner){.index = NO_THREAD};
    if (!read_identity(search, pid, ret))
        ret->pid = pid;
    ret->kind = OWNER_PROCESS;
    ret->tid = 0;
}

void wait_find_owner(struct search *search, pid_t tid, uint64_t address, struct wait_owner *ret)
{
    struct wait_owner other = {.index = NO_THREAD};
    size_t index = find_thread(search, tid);
    if (index != NO_THREAD) {
        wait_set_thread(search, index, ret);
        return;
    }
    *ret = (struct wait_owner){.kind = OWNER_MISSING, .tid = tid, .index = NO_THREAD};
    /* Ids of another namespace say nothing about threads elsewhere. */
    if (search->nested || !read_identity(search, tid, &other))
        return;
    const struct mapping *mapping = maps_find(search->report->snapshot->maps, address);
    if (other.pid == search->report->process->pid)
        other.kind = OWNER_THREAD;
    else if (mapping && mapping->shared && shares_memory(search, tid, mapping))
        other.kind = OWNER_PROCESS;
    else
        return;
    *ret = other;
}

/* --- Where. --- */

const struct report_thread *wait_find_stack(const struct report *report, uint64_t address)
{
    for (size_t i = 0; i < report->thread_count; i++) {
        const struct report_thread *thread = &report->threads[i];
        size_t count = thread->frame_count;
        while (count && !thread->frames[count - 1].frame.cfa)
            count--;
        if (count && thread->thread->registers.value[arch_sp] <= address &&
            address < thread->frames[count - 1].frame.cfa)
            return thread;
    }
    return NULL;
}

/* Outside of every file. */
static char *describe_memory(const struct report *report, uint64_t address)
{
    char *place;
    const struct mapping *mapping = maps_find(report->snapshot->maps, address);
    if (mapping && strcmp(mapping->path, "[heap]") == 0)
        return strdup("heap");
    const struct report_thread *thread = wait_find_stack(report, address);
    if (thread)
        return asprintf(&place, "stack of %d", thread->thread->tid) < 0 ? NULL : place;
    if (mapping && mapping->path[0] == '/')
        return strdup(mapping->path);
    return NULL;
}

char *wait_describe_place(const struct search *search, uint64_t address)
{
    const struct report *report = search->report;
    struct module *module = modules_find(report->modules, address);
    struct symbol symbol;
    char *place;
    int length;
    if (!module)
        return describe_memory(report, address);
    if (!module_symbol(module, address, &symbol)) {
        const char *slash = strrchr(module->path, '/');
        length = asprintf(&place, "%s+0x%" PRIx64, slash ? slash + 1 : module->path,
                          address - module->bias);
    } else {
        const char *name = symbols_demangle(report->symbols, symbol.name);
        uint64_t offset = address - symbol.address;
        length =
            offset ? asprintf(&place, "%s+0x%" PRIx64, name, offset) : asprintf(&place, "%s", name);
    }
    return length < 0 ? NULL : place;
}

/* --- All threads: watch, read, prove, name; so that little time passes in between. --- */

static const char *call_of(const struct report_thread *thread)
{
    const struct thread_snapshot *seen = thread->thread;
    const char *name = seen->in_syscall ? syscall_name(seen->syscall_number) : NULL;
    return name ? name : "";
}

/* The wait for a lock that goes on after an interruption has another number (restart_syscall(2)).
 */
static bool waits_in_a_lock(const struct report_thread *thread)
{
    const char *call = call_of(thread);
    return strcmp(call, "futex") == 0 || strcmp(call, "restart_syscall") == 0;
}

static void read_thread(struct search *search, size_t index)
{
    const struct report_thread *thread = &search->report->threads[index];
    struct wait *wait = &search->waits->waits[index];
    if (wait->kind == WAIT_GIL)
        return;
    if (waits_in_a_lock(thread))
        wait_read_lock(search, thread, strcmp(call_of(thread), "futex") == 0, wait);
    else
        wait_read_call(search, thread, call_of(thread), wait);
    if (wait->kind == WAIT_SEMAPHORE && wait_is_for_python_lock(search, thread))
        wait_add_detail(wait, "a Python lock");
    /* The mutex within the GIL is held for moments, also by who waits for the GIL. */
    if (wait_is_in_gil(search, wait->address))
        wait->owner = (struct wait_owner){0};
}

static bool slept_on(const struct search *search, size_t index)
{
    const struct report *report = search->report;
    return search->watched[index] &&
           snapshot_still_asleep(report->snapshot, report->threads[index].thread);
}

/* What was read is only told of a thread that slept meanwhile; the call is its snapshot's. */
static void prove(struct search *search, size_t index)
{
    struct wait *wait = &search->waits->waits[index];
    bool call_alone = wait->owner.kind == OWNER_UNKNOWN && !wait->detail;
    wait->holds_gil = wait->holds_gil && slept_on(search, index);
    if (wait->kind == WAIT_UNKNOWN)
        return;
    if (call_alone)
        wait->verified = search->report->threads[index].thread->how == THREAD_BLOCKED;
    else
        wait->verified =
            slept_on(search, wait->kind == WAIT_GIL ? wait_gil_holder(search, wait) : index);
    if (wait->verified)
        return;
    wait->owner = (struct wait_owner){0};
    free(wait->detail);
    wait->detail = NULL;
}

static void name_places(const struct search *search, struct wait *wait)
{
    if (wait->address)
        wait->place = wait_describe_place(search, wait->address);
    if (wait->mutex)
        wait->mutex_place = wait_describe_place(search, wait->mutex);
}

/* How long a thread that was stopped for the snapshot may take to be back in its call, us. */
#define BACK_ASLEEP_US 1000000

/* Of those that were stopped, only who was in such a call is waited for. */
static size_t watch_rest(struct search *search)
{
    const struct report *report = search->report;
    size_t missing = 0;
    for (size_t i = 0; i < report->thread_count; i++) {
        const struct report_thread *thread = &report->threads[i];
        if (!search->watched[i])
            search->watched[i] = snapshot_watch(report->snapshot, thread->thread);
        missing +=
            !search->watched[i] && thread->thread->how == THREAD_FROZEN && waits_in_a_lock(thread);
    }
    return missing;
}

static void watch_all(struct search *search)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    deadline_t deadline = deadline_after_us(BACK_ASLEEP_US);
    while (watch_rest(search) && !deadline_passed(deadline))
        nanosleep(&moment, NULL); /* woken early or not, it looks again */
}

static struct error *search_all(struct search *search)
{
    const struct report *report = search->report;
    watch_all(search);
    struct error *error = wait_read_gils(search);
    for (size_t i = 0; i < report->thread_count && !error; i++)
        read_thread(search, i);
    for (size_t i = 0; i < report->thread_count && !error; i++)
        prove(search, i);
    return error;
}

struct error *waits_create(const struct report *report, struct waits **ret)
{
    struct waits *waits = calloc(1, sizeof(*waits));
    CLEANUP_FREE bool *watched = calloc(report->thread_count + 1, sizeof(*watched));
    if (waits)
        waits->waits = calloc(report->thread_count + 1, sizeof(*waits->waits));
    if (!waits || !watched || !waits->waits) {
        waits_destroy(waits);
        return error_no_memory();
    }
    waits->count = report->thread_count;
    struct search search = {.report = report,
                            .waits = waits,
                            .watched = watched,
                            .nested = process_is_nested(report->process)};
    struct error *error = search_all(&search);
    if (!error)
        error = waits_find_deadlocks(&search);
    for (size_t i = 0; !error && i < waits->count; i++)
        name_places(&search, &waits->waits[i]);
    descriptors_destroy(search.descriptors);
    free(search.locks);
    free(search.gils);
    free(search.inner);
    if (error) {
        waits_destroy(waits);
        return error;
    }
    *ret = waits;
    return NULL;
}

void waits_destroy(struct waits *waits)
{
    if (!waits)
        return;
    for (size_t i = 0; i < waits->count; i++) {
        free(waits->waits[i].place);
        free(waits->waits[i].mutex_place);
        free(waits->waits[i].detail);
    }
    for (size_t i = 0; i < waits->deadlock_count; i++)
        free(waits->deadlocks[i].threads);
    free(waits->deadlocks);
    free(waits->blockers);
    free(waits->waits);
    free(waits);
}
