#include "injector/process.h"

#include "injector/cleanup.h"
#include "injector/deadline.h"
#include "injector/process_private.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

/* PF_KTHREAD of the kernel's include/linux/sched.h, as /proc/PID/stat shows it in field 9. */
#define KERNEL_THREAD_FLAG 0x00200000

/* What we use of /proc/PID/stat (proc(5)). */
struct stat_fields {
    char state;
    unsigned long flags;
    uint64_t start_time; /* clock ticks after boot */
    pid_t parent;
};

static bool parse_stat(const char *text, struct stat_fields *ret)
{
    const char *p = strrchr(text, ')'); /* the name may contain anything */
    unsigned long long start_time;
    if (!p || sscanf(p + 1,
                     " %c %d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                     "%llu",
                     &ret->state, &ret->parent, &ret->flags, &start_time) != 4)
        return false;
    ret->start_time = start_time;
    return true;
}

/* Ends a name at its newline and replaces what could steer a terminal. */
static void sanitize_name(char *name)
{
    name[strcspn(name, "\n")] = '\0';
    for (char *p = name; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
}

/* Reads all of a descriptor; returns the length, or -1 with errno. */
static ssize_t read_all(int fd, char **ret)
{
    size_t size = 4096, length = 0;
    CLEANUP_FREE char *text = malloc(size);
    if (!text) {
        errno = ENOMEM;
        return -1;
    }
    for (;;) {
        ssize_t n = read(fd, text + length, size - length - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        length += (size_t)n;
        if (size - length < 2048) {
            char *larger = realloc(text, size * 2);
            if (!larger) {
                errno = ENOMEM;
                return -1;
            }
            text = larger;
            size *= 2;
        }
    }
    text[length] = '\0';
    *ret = text;
    text = NULL;
    return (ssize_t)length;
}

static ssize_t read_file_at(int directory, const char *path, char **ret)
{
    CLEANUP_CLOSE int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : read_all(fd, ret);
}

/* The same into a buffer, cut off where that ends. False when nothing could be read. */
static bool read_small_file_at(int directory, const char *path, char *buffer, size_t size)
{
    CLEANUP_CLOSE int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buffer, size - 1);
    if (n <= 0)
        return false;
    buffer[n] = '\0';
    return true;
}

static bool read_stat_at(int directory, const char *path, struct stat_fields *ret)
{
    char text[1024];
    return read_small_file_at(directory, path, text, sizeof(text)) && parse_stat(text, ret);
}

static bool is_dead(char state)
{
    return state == 'Z' || state == 'X' || state == 'x';
}

static bool thread_lives(const struct process *process, pid_t tid)
{
    char path[32];
    struct stat_fields stat;
    snprintf(path, sizeof(path), "%d/stat", tid);
    return read_stat_at(process->task_fd, path, &stat) && !is_dead(stat.state);
}

static int compare_tids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

/* Lists the tids, ascending. Returns 0, or an errno. */
static int list_threads(const struct process *process, pid_t **ret, size_t *count)
{
    /* A description of our own, since a directory position belongs to it. */
    int fd = openat(process->task_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return errnum;
    }

    CLEANUP_FREE pid_t *tids = NULL;
    size_t used = 0, capacity = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            pid_t *larger = reallocarray(tids, capacity, sizeof(*tids));
            if (!larger)
                return ENOMEM;
            tids = larger;
        }
        tids[used++] = (pid_t)atoi(entry->d_name);
    }
    if (!used)
        return ESRCH;
    qsort(tids, used, sizeof(*tids), compare_tids);
    *ret = tids;
    *count = used;
    tids = NULL;
    return 0;
}

/*
 * The thread whose files stand for the process. The leader answers almost always; after its
 * pthread_exit another one must, and that one may end too: so it is looked for again when needed.
 * Returns 0 when none lives.
 */
static pid_t find_live_tid(const struct process *process)
{
    if (process->live_tid && thread_lives(process, process->live_tid))
        return process->live_tid;

    CLEANUP_FREE pid_t *tids = NULL;
    size_t count;
    if (list_threads(process, &tids, &count))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (thread_lives(process, tids[i])) {
            /* A cache, not a part of what a caller holds constant: process_open made the struct. */
            ((struct process *)process)->live_tid = tids[i];
            return tids[i];
        }
    return 0;
}

bool process_alive(const struct process *process)
{
    /* proc_fd stands for this very process: after its end it answers ESRCH, whoever has the pid. */
    return process->saved || find_live_tid(process) != 0;
}

static void forget_program(struct process *process)
{
    if (process->program_fd >= 0)
        close(process->program_fd);
    process->program_fd = -1;
}

bool process_note_program(struct process *process)
{
    int fd = process_open_file(process, 0, "mem", O_RDONLY);
    if (fd < 0)
        return false;
    forget_program(process);
    process->program_fd = fd;
    return true;
}

/* Reading at address 0 fails; through the file of a memory that nobody uses any more it reads
   nothing (fs/proc/base.c, mem_rw). */
static bool has_memory(int mem_fd)
{
    char byte;
    return pread(mem_fd, &byte, sizeof(byte), 0) != 0;
}

bool process_is_same_program(const struct process *process)
{
    return process->saved || process->program_fd < 0 || has_memory(process->program_fd);
}

/* Of one whose program has ended: or is the process itself about to end, and has no memory at all?
 */
static bool runs_another_program(const struct process *process)
{
    CLEANUP_CLOSE int fd = process_open_file(process, 0, "mem", O_RDONLY);
    return fd >= 0 ? has_memory(fd) : errno == EACCES || errno == EPERM;
}

struct error *process_check_program(const struct process *process)
{
    if (process_is_same_program(process) || !process_alive(process) ||
        !runs_another_program(process))
        return NULL;
    return error_create(ERROR_NO_PROCESS, ESTALE,
                        "process %d (%s) has become another program meanwhile (execve); try again",
                        process->pid, process->name);
}

struct error *process_check_alive(const struct process *process)
{
    struct error *changed = process_check_program(process);
    if (changed || (process_alive(process) && process_is_same_program(process)))
        return changed;
    return error_create(ERROR_NO_PROCESS, ESRCH, "process %d (%s) has ended", process->pid,
                        process->name);
}

struct error *process_threads(const struct process *process, pid_t **ret, size_t *count)
{
    int errnum = list_threads(process, ret, count);
    if (!errnum)
        return NULL;
    if (errnum == ENOMEM)
        return error_no_memory();
    struct error *ended = process_check_alive(process);
    if (ended)
        return ended;
    return error_create(ERROR_PARTIAL, errnum, "the threads of process %d cannot be listed: %s",
                        process->pid, strerror(errnum));
}

#define TASK_PATH_MAX (64 + NAME_MAX)

/* "TID/name", below task_fd. False with errno: there is no thread any more. */
static bool task_path(const struct process *process, pid_t tid, const char *name,
                      char path[TASK_PATH_MAX])
{
    if (!tid)
        tid = find_live_tid(process);
    if (!tid) {
        errno = ESRCH;
        return false;
    }
    snprintf(path, TASK_PATH_MAX, "%d/%s", tid, name);
    return true;
}

int process_open_file(const struct process *process, pid_t tid, const char *name, int flags)
{
    char path[TASK_PATH_MAX];
    if (process->saved) {
        errno = ENOENT;
        return -1;
    }
    if (!task_path(process, tid, name, path))
        return -1;
    return openat(process->task_fd, path, flags | O_CLOEXEC);
}

ssize_t live_read_file(const struct process *process, pid_t tid, const char *name, char **ret)
{
    CLEANUP_CLOSE int fd = process_open_file(process, tid, name, O_RDONLY);
    return fd < 0 ? -1 : read_all(fd, ret);
}

ssize_t live_read_link(const struct process *process, pid_t tid, const char *name, char *buffer,
                       size_t size)
{
    char path[TASK_PATH_MAX];
    if (!task_path(process, tid, name, path))
        return -1;
    ssize_t length = readlinkat(process->task_fd, path, buffer, size - 1);
    if (length >= 0)
        buffer[length] = '\0';
    return length;
}

ssize_t live_read_system_file(const char *name, char **ret)
{
    char path[sizeof("/proc/") + NAME_MAX];
    snprintf(path, sizeof(path), "/proc/%s", name);
    return read_file_at(AT_FDCWD, path, ret);
}

/* Finds "field:" at the start of a line and copies what follows it. */
bool process_text_field(const char *text, const char *field, char *value, size_t size)
{
    size_t length = strlen(field);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) || line[length] != ':')
            continue;
        const char *p = line + length + 1;
        p += strspn(p, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(p, "\n"), p);
        return true;
    }
    return false;
}

bool process_status_field(const struct process *process, pid_t tid, const char *field, char *value,
                          size_t size)
{
    CLEANUP_FREE char *text = NULL;
    return process_read_file(process, tid, "status", &text) > 0 &&
           process_text_field(text, field, value, size);
}

/* More than one id (proc(5), NSpid). */
bool process_is_nested(const struct process *process)
{
    char ids[256];
    return process_status_field(process, 0, "NSpid", ids, sizeof(ids)) && strchr(ids, '\t');
}

/* The last of the ids of a line, which is that in the innermost namespace; 0: there is no line. */
static pid_t innermost_id(const struct process *process, pid_t tid, const char *field)
{
    char ids[256];
    if (!process_status_field(process, tid, field, ids, sizeof(ids)))
        return 0; /* Linux before 4.1, or it has just ended */
    const char *last = strrchr(ids, '\t');
    return (pid_t)atoi(last ? last + 1 : ids);
}

pid_t process_namespace_tid(const struct process *process, pid_t tid)
{
    return innermost_id(process, tid, "NSpid");
}

/* The pid the target has in its own, innermost pid namespace; without NSpid (Linux < 4.1) ours. */
static pid_t find_namespace_pid(const struct process *process)
{
    pid_t known = innermost_id(process, 0, "NStgid");
    return known ? known : process->pid;
}

/* Reads the ELF class of the executable; true where it cannot be read. */
static bool find_is_64bit(const struct process *process)
{
    unsigned char ident[EI_NIDENT];
    CLEANUP_CLOSE int fd = process_open_file(process, 0, "exe", O_RDONLY | O_NONBLOCK);
    if (fd < 0 || read(fd, ident, sizeof(ident)) != sizeof(ident))
        return true;
    return memcmp(ident, ELFMAG, SELFMAG) || ident[EI_CLASS] == ELFCLASS64;
}

static char *read_executable_link(const struct process *process)
{
    char link[PATH_MAX + sizeof(" (deleted)")];
    if (process_read_link(process, process->live_tid, "exe", link, sizeof(link)) < 0)
        link[0] = '\0';
    return strdup(link);
}

/* Why /proc/PID cannot be opened. */
static struct error *explain_missing(pid_t pid, int errnum)
{
    if (errnum != ENOENT && errnum != ESRCH && errnum != EACCES && errnum != EPERM)
        return error_create(ERROR_PARTIAL, errnum,
                            "/proc/%d cannot be opened: %s; is /proc mounted?", pid,
                            strerror(errnum));
    /* kill(2) with signal 0 sees processes that the mount option hidepid hides. */
    if (!kill(pid, 0) || errno == EPERM)
        return error_create(ERROR_NOT_PERMITTED, errnum,
                            "process %d is hidden: /proc is not mounted or has the mount option "
                            "hidepid; run manhole-attach as root (sudo)",
                            pid);
    return error_create(ERROR_NO_PROCESS, ESRCH,
                        "no such process: %d; look it up with ps, and mind that pids differ "
                        "between containers and the host",
                        pid);
}

/* Refuses what is no process that can be looked into: a thread's id, a kernel thread, a zombie. */
static struct error *check_kind(struct process *process, const struct stat_fields *stat)
{
    char leader[32];
    if (stat->flags & KERNEL_THREAD_FLAG)
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) is a thread of the kernel: it has no program to look "
                            "into; root reads its stack in /proc/%d/stack",
                            process->pid, process->name, process->pid);
    if (find_live_tid(process))
        return NULL;
    if (process_status_field(process, process->pid, "State", leader, sizeof(leader)) &&
        leader[0] == 'Z')
        return error_create(ERROR_UNSUPPORTED, 0,
                            "process %d (%s) is a zombie: it has ended, and its parent %d has not "
                            "yet collected it; nothing is left to look into",
                            process->pid, process->name, stat->parent);
    return error_create(ERROR_NO_PROCESS, ESRCH, "process %d (%s) has ended", process->pid,
                        process->name);
}

static struct error *check_is_leader(pid_t pid, int proc_fd)
{
    CLEANUP_FREE char *status = NULL;
    char leader[32];
    if (read_file_at(proc_fd, "status", &status) <= 0 ||
        !process_text_field(status, "Tgid", leader, sizeof(leader)) || atoi(leader) == pid)
        return NULL;
    return error_create(ERROR_USAGE, 0,
                        "%d is a thread of process %s: give the pid of the process, %s", pid,
                        leader, leader);
}

struct error *process_open(pid_t pid, struct process **ret)
{
    if (pid <= 0)
        return error_create(ERROR_USAGE, 0, "%d is no process id: give a positive number", pid);
    if (pid == getpid())
        return error_create(ERROR_USAGE, 0,
                            "%d is manhole-attach itself: give the pid of another process", pid);

    CLEANUP_PROCESS struct process *process = calloc(1, sizeof(*process));
    if (!process)
        return error_no_memory();
    process->pid = pid;
    process->proc_fd = process->task_fd = process->pid_fd = process->program_fd = -1;

    char path[32];
    snprintf(path, sizeof(path), "/proc/%d", pid);
    process->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (process->proc_fd < 0)
        return explain_missing(pid, errno);
    struct error *error = check_is_leader(pid, process->proc_fd);
    if (error)
        return error;

    struct stat_fields stat;
    process->task_fd = openat(process->proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (process->task_fd < 0 || !read_stat_at(process->proc_fd, "stat", &stat))
        return explain_missing(pid, errno);
    process->start_time = stat.start_time;
    process->live_tid = pid;
    if (read_small_file_at(process->proc_fd, "comm", process->name, sizeof(process->name)))
        sanitize_name(process->name);
    error = check_kind(process, &stat);
    if (error)
        return error;

    process->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0); /* Linux 5.3 */
    process->namespace_pid = find_namespace_pid(process);
    process->is_64bit = find_is_64bit(process);
    process->executable = read_executable_link(process);
    if (!process->executable)
        return error_no_memory();
    *ret = process;
    process = NULL;
    return NULL;
}

struct error *process_refresh(struct process *process)
{
    forget_program(process);
    struct error *error = process_check_alive(process);
    if (error)
        return error;
    char *executable = read_executable_link(process);
    if (!executable)
        return error_no_memory();
    /* Of a process that ends meanwhile the name stays. */
    if (!*executable || !strcmp(executable, process->executable)) {
        free(executable);
        return NULL;
    }
    free(process->executable);
    process->executable = executable;
    process->is_64bit = find_is_64bit(process);
    if (read_small_file_at(process->proc_fd, "comm", process->name, sizeof(process->name)))
        sanitize_name(process->name);
    return NULL;
}

void process_close(struct process *process)
{
    if (!process)
        return;
    recording_destroy(process->recording);
    forget_program(process);
    if (process->pid_fd >= 0)
        close(process->pid_fd);
    if (process->task_fd >= 0)
        close(process->task_fd);
    if (process->proc_fd >= 0)
        close(process->proc_fd);
    free(process->executable);
    free(process);
}

void process_cleanup(struct process **process)
{
    process_close(*process);
}

struct error *process_lock(struct process *process, uint64_t wait_us)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    deadline_t deadline = deadline_after_us(wait_us);
    while (flock(process->proc_fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_create(ERROR_PARTIAL, errno, "process %d cannot be locked: %s",
                                process->pid, strerror(errno));
        if (deadline_passed(deadline))
            return error_create(ERROR_STATE, errno,
                                "another manhole-attach is working on process %d (%s): wait for it "
                                "to finish, then try again",
                                process->pid, process->name);
        /* Woken early or not, the lock is tried again. */
        nanosleep(&pause, NULL);
    }
    return NULL;
}
