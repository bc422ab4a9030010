#include "injector/inject_private.h"

#include "injector/cleanup.h"
#include "injector/helper.h"
#include "injector/leftover.h"
#include "injector/linkmap.h"
#include "injector/loan.h"
#include "injector/mailbox.h"
#include "injector/maps.h"
#include "injector/safepoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TIMEOUT_US 5000000
#define LOCK_WAIT_US 2000000
#define TIDY_US 1000000 /* beyond the deadline, for what must be cleaned up */

#define PAGE_BYTES 4096
#define DONOR_STACK_BYTES (64 * 1024)
#define THREAD_STACK_BYTES (256 * 1024)

/* What dlopen is given, and so the name of what a loan has loaded; nobody else spells it so. */
#define IMAGE_PATH "/proc/thread-self/./fd/"

/* __RTLD_DLOPEN of glibc's include/dlfcn.h: the flag with which __libc_dlopen_mode wants to be
   called (until glibc 2.33; it went away in 2.34, where dlopen is in libc itself). */
#define GLIBC_RTLD_DLOPEN 0x80000000u

/* --- What the target has. --- */

struct remote_functions {
    uint64_t pthread_attr_init, pthread_attr_setdetachstate, pthread_attr_setstack;
    uint64_t pthread_attr_destroy, pthread_create;
    uint64_t dlopen, dlsym, dlclose, dlerror; /* dlerror 0: there is none */
    uint32_t dlopen_flags;
};

static uint64_t find_function(const struct linkmap *linkmap, const char *name)
{
    struct export export;
    return linkmap_function(linkmap, name, &export) ? export.address : 0;
}

static struct error *find_functions(const struct linkmap *linkmap, struct remote_functions *ret)
{
    const struct process *process = linkmap->process;
    *ret = (struct remote_functions){
        .pthread_attr_init = find_function(linkmap, "pthread_attr_init"),
        .pthread_attr_setdetachstate = find_function(linkmap, "pthread_attr_setdetachstate"),
        .pthread_attr_setstack = find_function(linkmap, "pthread_attr_setstack"),
        .pthread_attr_destroy = find_function(linkmap, "pthread_attr_destroy"),
        .pthread_create = find_function(linkmap, "pthread_create"),
        .dlopen = find_function(linkmap, "dlopen"),
        .dlsym = find_function(linkmap, "dlsym"),
        .dlclose = find_function(linkmap, "dlclose"),
        .dlerror = find_function(linkmap, "dlerror"),
        .dlopen_flags = RTLD_NOW | RTLD_LOCAL,
    };
    if (!ret->pthread_attr_init || !ret->pthread_attr_setdetachstate ||
        !ret->pthread_attr_setstack || !ret->pthread_attr_destroy || !ret->pthread_create)
        return linkmap->libc == linkmap->count
                   ? error_create(
                         ERROR_DEADLINE, 0,
                         "process %d (%s) has only just been started, its C library is not "
                         "loaded yet: try again",
                         process->pid, process->name)
                   : error_create(
                         ERROR_UNSUPPORTED, 0,
                         "process %d (%s) has no pthread_create: its C library keeps it in "
                         "libpthread (glibc before 2.34), which the program does not use; "
                         "start it with LD_PRELOAD=libpthread.so.0",
                         process->pid, process->name);
    if (!ret->dlopen || !ret->dlsym || !ret->dlclose) {
        /* glibc before 2.34, and the program does not use libdl. */
        ret->dlopen = find_function(linkmap, "__libc_dlopen_mode");
        ret->dlsym = find_function(linkmap, "__libc_dlsym");
        ret->dlclose = find_function(linkmap, "__libc_dlclose");
        ret->dlerror = 0;
        ret->dlopen_flags = RTLD_NOW | GLIBC_RTLD_DLOPEN;
    }
    if (!ret->dlopen || !ret->dlsym || !ret->dlclose)
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) has no dlopen: nothing can be loaded into it; --dump "
                            "works",
                            process->pid, process->name);
    return NULL;
}

/* Everything known from outside about one target. */
struct survey {
    struct process *process;
    struct maps *maps;
    struct linkmap *linkmap;
    struct remote_functions functions;
};

static void survey_deinit(struct survey *survey)
{
    linkmap_destroy(survey->linkmap);
    maps_destroy(survey->maps);
}
#define CLEANUP_SURVEY __attribute__((cleanup(survey_deinit)))

static struct error *survey_init(struct process *process, struct survey *ret)
{
    *ret = (struct survey){.process = process};
    if (!process->is_64bit)
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) is a 32-bit program: only 64-bit ones can be attached",
                            process->pid, process->name);
    struct error *error = process_check_access(process);
    if (!error)
        error = maps_read(process, &ret->maps);
    if (!error)
        error = linkmap_read(process, ret->maps, &ret->linkmap);
    if (!error)
        error = find_functions(ret->linkmap, &ret->functions);
    return error;
}

/* SIGSTOP, Ctrl-Z: the whole process waits for SIGCONT, and any new thread would too. */
static bool is_stopped(const struct process *process)
{
    char state[32];
    return process_status_field(process, 0, "State", state, sizeof(state)) && state[0] == 'T';
}

static struct error *stopped_error(const struct process *process)
{
    return error_create(ERROR_DEADLINE, 0,
                        "process %d (%s) is stopped: nothing can run in it; the manhole opens when "
                        "it continues (kill -CONT %d), then try again",
                        process->pid, process->name, process->pid);
}

/* What a process lacks that ended, or became another program, while we looked, is no news. */
static struct error *or_ended(const struct process *process, struct error *error)
{
    struct error *ended = error ? process_check_alive(process) : NULL;
    if (!ended)
        return error;
    error_destroy(error);
    return ended;
}

static struct error *make_plan(struct process *process, const char *soname, struct inject_plan *ret)
{
    CLEANUP_SURVEY struct survey survey;
    struct error *error = survey_init(process, &survey);
    if (error)
        return error;
    *ret = (struct inject_plan){.is_musl = survey.linkmap->is_musl};
    const struct loaded *loaded = linkmap_find_soname(survey.linkmap, soname);
    ret->loaded = loaded != NULL;
    ret->handle = loaded ? loaded->entry : 0;
    if (survey.linkmap->libc < survey.linkmap->count)
        snprintf(ret->libc_path, sizeof(ret->libc_path), "%s",
                 survey.linkmap->objects[survey.linkmap->libc].name);

    CLEANUP_FREE struct candidate *candidates = NULL;
    size_t filtered;
    error = safepoint_rank(process, &candidates, &ret->thread_count, &filtered);
    if (error)
        return error;
    for (size_t i = 0; i < ret->thread_count; i++)
        ret->candidates += candidates[i].score < CANDIDATE_UNFIT;
    if (is_stopped(process))
        snprintf(ret->note, sizeof(ret->note), "it is stopped; it must continue first");
    else if (filtered)
        snprintf(ret->note, sizeof(ret->note), "%zu of %zu threads filtered by seccomp", filtered,
                 ret->thread_count);
    return NULL;
}

struct error *inject_plan(struct process *process, const char *soname, struct inject_plan *ret)
{
    return or_ended(process, make_plan(process, soname, ret));
}

/* --- Where the loan's memory goes. --- */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Thread storage that every new thread gets on its stack: of all objects, at most. */
static uint64_t thread_storage(const struct linkmap *linkmap)
{
    uint64_t size = 0;
    for (size_t i = 0; i < linkmap->count; i++)
        size += linkmap->objects[i].tls_size;
    return size;
}

/* From below: the stack of the new thread (overflowing it meets nothing), the donor's, the mailbox,
   the vector state. */
static struct loan_region lay_out(const struct linkmap *linkmap)
{
    struct loan_region region = {0};
    uint64_t stack = round_up(THREAD_STACK_BYTES + thread_storage(linkmap), PAGE_BYTES);
    region.thread_stack_size = stack;
    region.donor_stack_top = stack + DONOR_STACK_BYTES;
    region.mailbox = region.donor_stack_top;
    region.vector_state = region.mailbox + MAILBOX_SIZE;
    region.size = region.vector_state + round_up(arch_vector_state_size(), PAGE_BYTES);
    return region;
}

static uint64_t random_below(uint64_t limit)
{
    /* Only to avoid meeting the target's own mappings again: no secret. */
    return ((uint64_t)random() << 31 ^ (uint64_t)random() ^ monotonic_us()) % limit;
}

/*
 * A free address like one the kernel would choose: below the highest mappings, where sanitizers and
 * pointer taggers expect them, but some way off the next place the target itself gets.
 */
static bool choose_address(const struct maps *maps, uint64_t size, uint64_t *ret)
{
    const uint64_t distance = 64 << 20;
    bool below_stack = false;
    for (size_t i = maps->count; i-- > 1;) {
        const struct mapping *above = &maps->mappings[i];
        uint64_t gap = above->start - maps->mappings[i - 1].end;
        if (!strcmp(above->path, "[stack]")) {
            below_stack = true; /* and it grows into the gap right below it */
            continue;
        }
        if (!below_stack || gap < 4 * distance + size)
            continue;
        uint64_t top = above->start - distance - random_below(distance);
        *ret = (top - size) / PAGE_BYTES * PAGE_BYTES;
        return true;
    }
    return false;
}

static struct error *place_region(const struct process *process, struct loan_region layout,
                                  struct loan_region *ret)
{
    CLEANUP_MAPS struct maps *maps = NULL;
    struct error *error = maps_read(process, &maps);
    if (error)
        return error;
    uint64_t start;
    if (!choose_address(maps, layout.size, &start))
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) has no free room in its address space", process->pid,
                            process->name);
    *ret = layout;
    ret->start = start;
    ret->thread_stack = start;
    ret->donor_stack_top += start;
    ret->mailbox += start;
    ret->vector_state += start;
    return NULL;
}

/* --- One injection. --- */

struct injection {
    struct process *process;
    const struct inject_request *request;
    struct inject_result *result;
    deadline_t deadline;
    struct survey survey;
    struct safepoint *safepoint;
    struct loan_site site;
    struct loan_region layout;
    const struct loaded *loaded; /* the payload, when it is in the target already */
    uint64_t function;           /* and the address of the function there; else 0 */
    pid_t tid;                   /* of the bootstrap thread, as we see it */
    bool leftovers;              /* of a killed manhole-attach are still in use */
    struct histogram *histogram;
};

static void nap(uint64_t us)
{
    struct timespec pause = {.tv_nsec = (long)us * 1000};
    nanosleep(&pause, NULL); /* woken early or not, the caller looks again */
}

/* --- Why there was no safe point. --- */

#define REASONS_MAX 24

struct histogram {
    struct {
        const char *reason; /* static text: compared by its address */
        unsigned count;
    } rows[REASONS_MAX];
    size_t used;
};

static void histogram_add(struct histogram *histogram, const char *reason)
{
    size_t i = 0;
    while (i < histogram->used && strcmp(histogram->rows[i].reason, reason))
        i++;
    if (i == REASONS_MAX)
        return;
    if (i == histogram->used)
        histogram->rows[histogram->used++].reason = reason;
    histogram->rows[i].count++;
}

static struct error *no_safe_point(const struct injection *injection)
{
    char text[768] = "";
    size_t length = 0;
    const struct histogram *histogram = injection->histogram;
    for (size_t i = 0; i < histogram->used && length < sizeof(text); i++)
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%s%u times %s", i ? ", " : "",
                             histogram->rows[i].count, histogram->rows[i].reason);
    return error_create(ERROR_DEADLINE, ETIMEDOUT,
                        "process %d (%s) had no thread that could be borrowed safely: a thread was "
                        "%s; try again, or when it is less busy",
                        injection->process->pid, injection->process->name,
                        text[0] ? text : "never met");
}

/* --- Borrowing some thread. --- */

#define TRIES_PER_ROUND 16

static struct error *no_thread(const struct process *process, int errnum)
{
    const char *next = "a seccomp filter may forbid it; --dump works";
    if (errnum == EAGAIN)
        next = "its user has as many threads as they may (RLIMIT_NPROC), or its control group has "
               "(pids.max), or too much memory is locked; raise the limit (prlimit) and try again";
    else if (errnum == ENOMEM)
        next = "it has no memory left below its limits (RLIMIT_AS, RLIMIT_DATA); raise them "
               "(prlimit) and try again";
    return error_create(ERROR_PARTIAL, errnum, "process %d (%s) could not get a new thread: %s; %s",
                        process->pid, process->name, strerror(errnum), next);
}

/*
 * Tries the candidates of one round. *done: the work was done, or what makes more tries useless
 * happened (*error).
 */
static struct error *try_round(struct injection *injection, enum loan_work work, unsigned round,
                               deadline_t deadline, bool *done)
{
    CLEANUP_FREE struct candidate *candidates = NULL;
    size_t count;
    struct error *error = safepoint_rank(injection->process, &candidates, &count, NULL);
    if (error)
        return error;
    size_t fit = 0;
    while (fit < count && candidates[fit].score < CANDIDATE_UNFIT)
        fit++;
    /* The best first; when they fail again and again, all others get their turn. */
    size_t start = fit && round >= 4 ? (size_t)(round - 4) * TRIES_PER_ROUND % fit : 0;
    size_t hopeless = 0;
    for (size_t i = 0; i < fit && i < TRIES_PER_ROUND && !deadline_passed(deadline); i++) {
        struct loan_report report;
        pid_t tid = candidates[(start + i) % fit].tid;
        const char *known =
            work == LOAN_CREATE_THREAD ? safepoint_prepare(injection->safepoint, tid) : NULL;
        if (known) {
            histogram_add(injection->histogram, known);
            nap(50 + random_below(950));
            continue;
        }
        error = loan_try(&injection->site, tid, work,
                         work == LOAN_CREATE_THREAD ? safepoint_judge : NULL, injection->safepoint,
                         deadline, &report);
        if (error)
            return error;
        injection->result->stopped_us += report.outcome == LOAN_REFUSED ? 0 : report.stopped_us;
        if (report.outcome == LOAN_REFUSED) {
            injection->result->attempts += work == LOAN_CREATE_THREAD;
            histogram_add(injection->histogram, report.reason);
            hopeless += report.for_good;
            if (hopeless == fit)
                return error_create(ERROR_UNSUPPORTED, 0,
                                    "process %d (%s) cannot be attached: it is %s; --dump works",
                                    injection->process->pid, injection->process->name,
                                    report.reason);
            nap(50 + random_below(950));
            continue;
        }
        if (work == LOAN_CREATE_THREAD)
            injection->result->borrowed = tid;
        if (report.outcome == LOAN_AWAY)
            return error_create(ERROR_DEADLINE, ETIMEDOUT,
                                "thread %d of process %d did not come back from pthread_create in "
                                "time: it waits for a lock of its own there",
                                tid, injection->process->pid);
        if (report.result == EEXIST && work == LOAN_CREATE_THREAD)
            return place_region(injection->process, injection->layout,
                                &injection->site.parameters.region);
        if (report.result)
            return no_thread(injection->process, report.result);
        *done = true;
        return NULL;
    }
    if (!fit)
        nap(1000);
    return NULL;
}

static struct error *borrow_some_thread(struct injection *injection, enum loan_work work,
                                        deadline_t deadline)
{
    struct histogram histogram = {0};
    injection->histogram = &histogram;
    struct error *error = NULL;
    bool done = false;
    for (unsigned round = 0; !error && !done; round++) {
        if (deadline_passed(deadline) || (work == LOAN_CREATE_THREAD && helper_is_orphan()))
            error = no_safe_point(injection);
        else if (is_stopped(injection->process))
            error = stopped_error(injection->process);
        else
            error = try_round(injection, work, round, deadline, &done);
    }
    injection->histogram = NULL;
    return error;
}

/* --- Talking with the bootstrap thread. --- */

static bool mailbox_read(const struct injection *injection, unsigned offset, void *buffer,
                         size_t size)
{
    return remote_read(injection->process, injection->site.parameters.region.mailbox + offset,
                       buffer, size) == size;
}

static struct error *mailbox_write(const struct injection *injection, unsigned offset,
                                   const void *buffer, size_t size)
{
    return remote_write(injection->process, 0, injection->site.parameters.region.mailbox + offset,
                        buffer, size);
}

static struct error *mailbox_write_u32(const struct injection *injection, unsigned offset,
                                       uint32_t value)
{
    return mailbox_write(injection, offset, &value, sizeof(value));
}

static uint32_t bootstrap_state(const struct injection *injection)
{
    uint32_t state;
    return mailbox_read(injection, MAILBOX_STATE, &state, sizeof(state)) ? state : BOOTSTRAP_NONE;
}

/* Where the new thread hangs, in words. */
static void describe_thread(const struct injection *injection, char *text, size_t size)
{
    static const char *const doing[] = {
        [BOOTSTRAP_NONE] = "it has not run yet",
        [BOOTSTRAP_STARTED] = "it waits for its orders",
        [BOOTSTRAP_WANTS_IMAGE] = "it waits for the payload",
        [BOOTSTRAP_LOADING] =
            "it is inside dlopen, where another thread may hold the loader's lock",
        [BOOTSTRAP_CALLING] = "it is inside the payload's function",
        [BOOTSTRAP_UNLOADING] = "it is inside dlclose",
    };
    uint32_t state = bootstrap_state(injection);
    const char *what = state < sizeof(doing) / sizeof(doing[0]) ? doing[state] : "it is ending";
    CLEANUP_FREE char *call = NULL, *channel = NULL;
    if (process_read_file(injection->process, injection->tid, "syscall", &call) <= 0 ||
        process_read_file(injection->process, injection->tid, "wchan", &channel) <= 0) {
        snprintf(text, size, "%s", what);
        return;
    }
    snprintf(text, size, "%s (system call %.*s, kernel wait %s)", what, (int)strcspn(call, " \n"),
             call, channel);
}

static struct error *no_answer(struct injection *injection)
{
    /* Whatever it is doing: it ends by itself, and undoes what it can. */
    error_destroy(mailbox_write_u32(injection, MAILBOX_ABANDON, 1));
    char where[256];
    describe_thread(injection, where, sizeof(where));
    return error_create(ERROR_DEADLINE, ETIMEDOUT,
                        "process %d (%s) did not answer in time: a new thread (%d) was started in "
                        "it, %s; try again later, a late success counts",
                        injection->process->pid, injection->process->name, injection->tid, where);
}

/* Waits until the thread's state is at least `state`. */
static struct error *wait_for_state(struct injection *injection, uint32_t state)
{
    for (unsigned round = 0; bootstrap_state(injection) < state; round++) {
        if (deadline_passed(injection->deadline) || helper_is_orphan()) {
            struct error *ended = process_check_alive(injection->process);
            return ended ? ended : no_answer(injection);
        }
        if (round % 1024 == 1023) {
            struct error *ended = process_check_alive(injection->process);
            if (ended)
                return ended;
        }
        nap(round < 20 ? 20 : 200);
    }
    return NULL;
}

/*
 * Came by an earlier loan. What the program preloaded, linked or opened is its own: a dlclose(3) of
 * ours would take its reference away and unmap the code under it.
 */
static bool is_ours(const struct loaded *loaded)
{
    return loaded && !strncmp(loaded->name, IMAGE_PATH, strlen(IMAGE_PATH));
}

static struct error *write_request(struct injection *injection)
{
    const struct remote_functions *functions = &injection->survey.functions;
    const struct inject_request *request = injection->request;
    CLEANUP_FREE uint8_t *page = calloc(1, MAILBOX_SIZE);
    if (!page)
        return error_no_memory();
    const struct {
        unsigned offset;
        uint64_t value;
    } words[] = {
        {MAILBOX_DLOPEN, functions->dlopen},
        {MAILBOX_DLSYM, functions->dlsym},
        {MAILBOX_DLERROR, functions->dlerror},
        {MAILBOX_DLCLOSE, functions->dlclose},
        {MAILBOX_ARGUMENT_SIZE, request->argument_size},
        {MAILBOX_FUNCTION_ADDRESS, injection->function},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        memcpy(page + words[i].offset, &words[i].value, sizeof(words[i].value));
    memcpy(page + MAILBOX_DLOPEN_FLAGS, &functions->dlopen_flags, sizeof(uint32_t));
    uint32_t unload = request->unload && is_ours(injection->loaded);
    memcpy(page + MAILBOX_UNLOAD, &unload, sizeof(unload));
    snprintf((char *)page + MAILBOX_FUNCTION, MAILBOX_MESSAGE - MAILBOX_FUNCTION, "%s",
             request->function);
    if (request->argument_size)
        memcpy(page + MAILBOX_ARGUMENT, request->argument, request->argument_size);
    return mailbox_write(injection, MAILBOX_ORDER, page + MAILBOX_ORDER,
                         MAILBOX_SIZE - MAILBOX_ORDER);
}

static struct error *fill_memfd(struct injection *injection, int32_t remote_fd)
{
    char name[32];
    snprintf(name, sizeof(name), "fd/%d", remote_fd);
    CLEANUP_CLOSE int fd = process_open_file(injection->process, injection->tid, name, O_WRONLY);
    /* Asked after it was opened: another program's descriptor of that number is not written to. */
    struct error *ended = process_check_alive(injection->process);
    if (ended)
        return ended;
    const uint8_t *image = injection->request->image;
    size_t done = 0, size = injection->request->image_size;
    while (fd >= 0 && done < size) {
        ssize_t n = write(fd, image + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == size)
        return NULL;
    return error_create(ERROR_PARTIAL, errno,
                        "the payload could not be written into the memory of process %d (%s): %s",
                        injection->process->pid, injection->process->name, strerror(errno));
}

/* A name that the program itself would hardly use, so that no dlopen of its own ever means the
   payload; thread-self, since /proc/self shows nothing once the first thread has ended. */
static struct error *deliver_image(struct injection *injection)
{
    struct error *error = mailbox_write_u32(injection, MAILBOX_ORDER, ORDER_LOAD);
    if (!error)
        error = wait_for_state(injection, BOOTSTRAP_WANTS_IMAGE);
    int32_t fd;
    if (error || bootstrap_state(injection) != BOOTSTRAP_WANTS_IMAGE ||
        !mailbox_read(injection, MAILBOX_FD, &fd, sizeof(fd)))
        return error;
    error = fill_memfd(injection, fd);
    if (error) {
        error_destroy(mailbox_write_u32(injection, MAILBOX_ABANDON, 1));
        return error;
    }
    char path[64];
    snprintf(path, sizeof(path), IMAGE_PATH "%d", fd);
    error = mailbox_write(injection, MAILBOX_PATH, path, sizeof(path));
    return error ? error : mailbox_write_u32(injection, MAILBOX_ORDER, ORDER_OPEN);
}

static struct error *call_loaded(struct injection *injection)
{
    struct error *error = mailbox_write(injection, MAILBOX_HANDLE, &injection->loaded->entry,
                                        sizeof(injection->loaded->entry));
    return error ? error : mailbox_write_u32(injection, MAILBOX_ORDER, ORDER_CALL);
}

/* What the thread left in the mailbox. */
static struct error *read_outcome(struct injection *injection)
{
    struct inject_result *result = injection->result;
    const struct process *process = injection->process;
    int32_t status = 0, fd = 0;
    uint64_t magic = 0; /* else it is another program's memory */
    char message[MAILBOX_MESSAGE_SIZE];
    if (!mailbox_read(injection, MAILBOX_RESULT, &status, sizeof(status)) ||
        !mailbox_read(injection, MAILBOX_FD, &fd, sizeof(fd)) ||
        !mailbox_read(injection, MAILBOX_MESSAGE, message, sizeof(message)) ||
        !mailbox_read(injection, MAILBOX_MAGIC, &magic, sizeof(magic)) ||
        magic != (MAILBOX_MAGIC_VALUE ^ injection->site.parameters.region.mailbox)) {
        struct error *ended = process_check_alive(process);
        return ended ? ended : no_answer(injection);
    }
    message[sizeof(message) - 1] = '\0';
    switch (bootstrap_state(injection)) {
    case BOOTSTRAP_DONE:
        result->status = status;
        snprintf(result->message, sizeof(result->message), "%s", message);
        return NULL;
    case BOOTSTRAP_DLOPEN_FAILED:
        return error_create(ERROR_PARTIAL, 0,
                            "process %d (%s) could not load the payload: %s; --dump works",
                            process->pid, process->name, message[0] ? message : "dlopen failed");
    case BOOTSTRAP_DLSYM_FAILED:
        return error_create(ERROR_PARTIAL, 0, "the payload in process %d (%s) has no %s: %s",
                            process->pid, process->name, injection->request->function,
                            message[0] ? message : "dlsym failed");
    case BOOTSTRAP_MEMFD_FAILED:
        return error_create(ERROR_PARTIAL, -fd,
                            "process %d (%s) could not make a memory file for the payload: %s; %s",
                            process->pid, process->name, strerror(-fd),
                            -fd == EMFILE || -fd == ENFILE
                                ? "raise its limit of open files (prlimit --nofile) and try again"
                                : "--dump works");
    default:
        return no_answer(injection);
    }
}

/* False: the new thread has not run yet. injection->tid stays 0 when it has ended. */
static bool find_thread(struct injection *injection)
{
    int32_t tid;
    if (!mailbox_read(injection, MAILBOX_TID, &tid, sizeof(tid)) || !tid)
        return false;
    injection->tid = loan_find_thread(injection->process, tid);
    return true;
}

static struct error *converse(struct injection *injection)
{
    struct error *error = wait_for_state(injection, BOOTSTRAP_STARTED);
    if (error)
        return error;
    find_thread(injection);
    error = write_request(injection);
    if (!error)
        error = injection->loaded ? call_loaded(injection) : deliver_image(injection);
    if (!error)
        error = wait_for_state(injection, BOOTSTRAP_DONE);
    return error ? error : read_outcome(injection);
}

/* --- Leaving nothing behind. --- */

static bool thread_is_gone(struct injection *injection)
{
    char state[16];
    if (!injection->tid && !find_thread(injection))
        return false; /* it is still to come, and needs its stack */
    return !injection->tid ||
           !process_status_field(injection->process, injection->tid, "State", state, sizeof(state));
}

/*
 * Once the kernel has ended the bootstrap thread nobody uses the region any more. A second loan,
 * which calls nothing and so needs no safe point, unmaps it and leaves the caves empty. If that
 * fails the memory stays, which harms nobody, so it is no error.
 */
static void tidy_up(struct injection *injection)
{
    deadline_t deadline = deadline_after_us(TIDY_US);
    while (!thread_is_gone(injection) && !deadline_passed(deadline))
        nap(100);
    if (thread_is_gone(injection))
        error_destroy(borrow_some_thread(injection, LOAN_UNMAP, deadline_after_us(TIDY_US)));
}

#define LEFTOVERS_MAX 16
#define LEFTOVER_WAIT_US 100000

/* One site of a killed manhole-attach: cleared now, or left alone when a thread may be in it
   (false). */
static bool clear_leftover(struct injection *injection, const struct loan_site *site)
{
    deadline_t deadline = deadline_after_us(LEFTOVER_WAIT_US);
    enum leftover leftover;
    while ((leftover = leftover_check(site)) == LEFTOVER_BUSY && !deadline_passed(deadline))
        nap(1000);
    if (leftover == LEFTOVER_BUSY)
        return false;
    injection->site = *site;
    if (leftover == LEFTOVER_CODE)
        loan_clear_caves(&injection->site, 0);
    else
        error_destroy(borrow_some_thread(injection, LOAN_UNMAP, deadline_after_us(TIDY_US)));
    return true;
}

/* Returns false when one was busy. It uses the injection's own site. */
static bool clear_leftovers(struct injection *injection)
{
    bool cleared = true;
    struct loan_site sites[LEFTOVERS_MAX];
    const struct survey *survey = &injection->survey;
    size_t count =
        leftover_find(injection->process, survey->maps, survey->linkmap, sites, LEFTOVERS_MAX);
    for (size_t i = 0; i < count; i++)
        cleared &= clear_leftover(injection, &sites[i]);
    return cleared;
}

/* A fresh look at the link map: is the payload out of it? */
static bool payload_is_loaded(struct injection *injection)
{
    CLEANUP_MAPS struct maps *maps = NULL;
    CLEANUP_LINKMAP struct linkmap *linkmap = NULL;
    struct error *error = maps_read(injection->process, &maps);
    if (!error)
        error = linkmap_read(injection->process, maps, &linkmap);
    error_destroy(error);
    return error || linkmap_find_soname(linkmap, injection->request->soname);
}

/* --- The order of things. --- */

static void keep_address(const struct export *export, void *address)
{
    if (export->address >= export->object->start && export->address < export->object->end)
        *(uint64_t *)address = export->address;
}

/*
 * The payload that is there, if any, and its function. Found from outside: the link map entry is a
 * handle for dlsym(3) only of what dlopen(3) itself gave out; glibc follows a null pointer of one
 * that was preloaded, or that came as another's dependency.
 */
static struct error *find_loaded(struct injection *injection)
{
    const struct inject_request *request = injection->request;
    const struct loaded *loaded = linkmap_find_soname(injection->survey.linkmap, request->soname);
    injection->loaded = loaded;
    if (!loaded && !request->image)
        return error_create(ERROR_STATE, 0, "no manhole is installed in process %d (%s)",
                            injection->process->pid, injection->process->name);
    if (!loaded)
        return NULL;
    linkmap_each_definition(injection->survey.linkmap, loaded, request->function, keep_address,
                            &injection->function);
    if (!injection->function)
        return error_create(ERROR_PARTIAL, 0,
                            "process %d (%s): the %s that is loaded there is of another version: "
                            "it has no %s",
                            injection->process->pid, injection->process->name, request->soname,
                            request->function);
    return NULL;
}

static struct error *prepare(struct injection *injection)
{
    struct survey *survey = &injection->survey;
    struct error *error = process_lock(injection->process, LOCK_WAIT_US);
    if (!error)
        error = survey_init(injection->process, survey);
    if (error)
        return error;
    error = find_loaded(injection);
    if (error)
        return error;
    if (is_stopped(injection->process))
        return stopped_error(injection->process);

    injection->leftovers = !clear_leftovers(injection);
    struct cave caves[2];
    const size_t sizes[] = {arch_stub_size(), arch_bootstrap_size()};
    error = cave_find(injection->process, survey->maps, survey->linkmap, sizes, 2, caves);
    if (!error)
        error = safepoint_create(injection->process, survey->maps, survey->linkmap,
                                 &injection->safepoint);
    if (error)
        return error;
    const struct remote_functions *functions = &survey->functions;
    injection->site = (struct loan_site){
        .process = injection->process,
        .is_musl = survey->linkmap->is_musl,
        .stub = caves[0],
        .bootstrap = caves[1],
        .parameters =
            {
                .pthread_attr_init = functions->pthread_attr_init,
                .pthread_attr_setdetachstate = functions->pthread_attr_setdetachstate,
                .pthread_attr_setstack = functions->pthread_attr_setstack,
                .pthread_attr_destroy = functions->pthread_attr_destroy,
                .pthread_create = functions->pthread_create,
            },
    };
    injection->layout = lay_out(survey->linkmap);
    return place_region(injection->process, injection->layout, &injection->site.parameters.region);
}

static struct error *inject(struct injection *injection)
{
    struct error *error = prepare(injection);
    if (!error)
        error = borrow_some_thread(injection, LOAN_CREATE_THREAD, injection->deadline);
    if (error)
        return error;
    error = converse(injection);
    if (!error || error->kind != ERROR_NO_PROCESS)
        tidy_up(injection);
    if (!error && injection->leftovers)
        clear_leftovers(injection); /* whoever was in them has had the time of all this */
    if (!error && injection->request->unload && !injection->result->status)
        injection->result->unloaded = !payload_is_loaded(injection);
    return error;
}

struct error *inject_here(struct process *process, const struct inject_request *request,
                          struct inject_result *ret)
{
    struct injection injection = {
        .process = process,
        .request = request,
        .result = ret,
        .deadline =
            deadline_after_us(request->timeout_us ? request->timeout_us : DEFAULT_TIMEOUT_US),
    };
    struct error *error = inject(&injection);
    safepoint_destroy(injection.safepoint);
    survey_deinit(&injection.survey);
    return or_ended(process, error);
}
