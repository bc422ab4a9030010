/*
 * The part of process.h that says why we may not look: the rules of ptrace(2), "Ptrace access mode
 * checking", gone through in the kernel's order until one is found that refuses.
 */
#include "injector/process.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What the rules ask of one side. */
struct credentials {
    unsigned uids[4], gids[4]; /* real, effective, saved, file system */
    uint64_t effective, permitted;
    unsigned seccomp; /* 0, 1 strict, 2 filter */
};

static bool parse_credentials(const char *status, struct credentials *ret)
{
    memset(ret, 0, sizeof(*ret));
    unsigned found = 0;
    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        unsigned *u = ret->uids, *g = ret->gids;
        unsigned long long set;
        if (sscanf(line, "Uid: %u %u %u %u", &u[0], &u[1], &u[2], &u[3]) == 4)
            found |= 1;
        else if (sscanf(line, "Gid: %u %u %u %u", &g[0], &g[1], &g[2], &g[3]) == 4)
            found |= 2;
        else if (sscanf(line, "CapPrm: %llx", &set) == 1)
            ret->permitted = set;
        else if (sscanf(line, "CapEff: %llx", &set) == 1)
            ret->effective = set;
        else
            sscanf(line, "Seccomp: %u", &ret->seccomp);
    }
    return found == 3;
}

static bool read_text(const char *path, char *buffer, size_t size)
{
    CLEANUP_FCLOSE FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(buffer, 1, size - 1, file);
    buffer[n] = '\0';
    buffer[strcspn(buffer, "\n")] = '\0';
    return n > 0;
}

static bool read_own_credentials(struct credentials *ret)
{
    char text[4096];
    CLEANUP_FCLOSE FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    return parse_credentials(text, ret);
}

static bool may_trace(const struct credentials *credentials)
{
    return credentials->effective >> CAP_SYS_PTRACE & 1;
}

/* All three ids of the target must be ours (kernel/ptrace.c, __ptrace_may_access). */
static bool same_ids(const struct credentials *own, const struct credentials *target)
{
    for (unsigned i = 0; i < 3; i++)
        if (target->uids[i] != own->uids[3] || target->gids[i] != own->gids[3])
            return false;
    return true;
}

static const char *user_name(unsigned uid, char *buffer, size_t size)
{
    struct passwd entry, *found = NULL;
    char strings[1024];
    if (!getpwuid_r(uid, &entry, strings, sizeof(strings), &found) && found)
        snprintf(buffer, size, "%s", found->pw_name);
    else
        snprintf(buffer, size, "uid %u", uid);
    return buffer;
}

static int yama_ptrace_scope(void)
{
    char text[16];
    return read_text("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) ? atoi(text) : 0;
}

static bool in_initial_user_namespace(void)
{
    unsigned first, outside;
    unsigned long length;
    char text[128];
    return read_text("/proc/self/uid_map", text, sizeof(text)) &&
           sscanf(text, "%u %u %lu", &first, &outside, &length) == 3 && !first && !outside &&
           length == 4294967295UL;
}

/* True when the target certainly lives in another user namespace than we do. */
static bool other_user_namespace(const struct process *process)
{
    struct stat own, target;
    CLEANUP_CLOSE int fd = process_open_file(process, 0, "ns/user", O_RDONLY);
    if (fd >= 0 && !stat("/proc/self/ns/user", &own) && !fstat(fd, &target))
        return own.st_ino != target.st_ino;
    /* Where even that link is refused to a holder of the capability, it does not count there. */
    return !in_initial_user_namespace();
}

/* The name of the module that keeps us out, as far as the kernel tells. */
static void name_security_module(const struct process *process, char *buffer, size_t size)
{
    char modules[256];
    CLEANUP_FREE char *label = NULL;
    if (!read_text("/sys/kernel/security/lsm", modules, sizeof(modules)))
        strcpy(modules, "SELinux, AppArmor, ...");
    if (process_read_file(process, 0, "attr/current", &label) > 0) {
        label[strcspn(label, "\n")] = '\0';
        snprintf(buffer, size, "%s; its label is %s", modules, label);
    } else {
        snprintf(buffer, size, "%s", modules);
    }
}

#define SUDO "run manhole-attach as root (sudo)"

/* Without the capability: whose process is it, and is it open to its own user? NULL: no rule
   refuses. */
static struct error *explain_without_capability(const struct process *process, const char *what,
                                                const struct credentials *own,
                                                const struct credentials *target)
{
    char theirs[64], ours[64];
    if (own->uids[1] == 0)
        return error_create(ERROR_NOT_PERMITTED, EPERM,
                            "%s of process %d (%s) is not permitted: this root lacks the "
                            "capability CAP_SYS_PTRACE; start its container with "
                            "--cap-add=SYS_PTRACE",
                            what, process->pid, process->name);
    if (!same_ids(own, target))
        return error_create(
            ERROR_NOT_PERMITTED, EPERM,
            "%s of process %d (%s) is not permitted: it runs as %s, you are %s; " SUDO, what,
            process->pid, process->name, user_name(target->uids[0], theirs, sizeof(theirs)),
            user_name(own->uids[3], ours, sizeof(ours)));
    /* Files of an undumpable process belong to root, though not its directory (fs/proc/base.c,
       task_dump_owner). */
    struct stat status;
    CLEANUP_CLOSE int fd = process_open_file(process, 0, "status", O_PATH);
    if (fd >= 0 && !fstat(fd, &status) && status.st_uid != target->uids[1])
        return error_create(ERROR_NOT_PERMITTED, EPERM,
                            "%s of process %d (%s) is not permitted: it is not dumpable (it "
                            "changed its user, holds a file capability, or called "
                            "prctl(PR_SET_DUMPABLE)); " SUDO,
                            what, process->pid, process->name);
    if (target->permitted & ~own->permitted)
        return error_create(ERROR_NOT_PERMITTED, EPERM,
                            "%s of process %d (%s) is not permitted: it holds capabilities that "
                            "you do not; " SUDO,
                            what, process->pid, process->name);
    int scope = yama_ptrace_scope();
    if (scope)
        return error_create(ERROR_NOT_PERMITTED, EPERM,
                            "%s of process %d (%s) is not permitted: kernel.yama.ptrace_scope is "
                            "%d, so only %s may look; " SUDO,
                            what, process->pid, process->name, scope,
                            scope == 1 ? "its parents and root" : "root");
    return NULL;
}

static struct error *explain_tracer(const struct process *process, const char *what)
{
    char tracer[32], path[64], name[64] = "?";
    if (!process_status_field(process, 0, "TracerPid", tracer, sizeof(tracer)) || !atoi(tracer))
        return NULL;
    snprintf(path, sizeof(path), "/proc/%d/comm", atoi(tracer));
    read_text(path, name, sizeof(name)); /* "?" stands for a name we may not see */
    return error_create(ERROR_NOT_PERMITTED, EPERM,
                        "%s of process %d (%s) is not permitted: process %s (%s) traces it "
                        "already, and only one may; end that one first",
                        what, process->pid, process->name, tracer, name);
}

struct error *process_explain_refusal(const struct process *process, const char *what, int errnum)
{
    struct error *error = process_check_alive(process);
    if (error)
        return error;

    CLEANUP_FREE char *status = NULL;
    struct credentials own, target;
    if (process_read_file(process, 0, "status", &status) <= 0 ||
        !parse_credentials(status, &target) || !read_own_credentials(&own))
        return error_create(ERROR_NOT_PERMITTED, errnum,
                            "%s of process %d (%s) is not permitted: %s; " SUDO, what, process->pid,
                            process->name, strerror(errnum));

    /* If memory may be opened, the rules let us in, and only the act of tracing was refused. */
    CLEANUP_CLOSE int memory = process_open_file(process, 0, "mem", O_RDONLY);
    if (memory >= 0) {
        error = explain_tracer(process, what);
    } else if (yama_ptrace_scope() == 3) {
        error = error_create(ERROR_NOT_PERMITTED, errnum,
                             "%s of process %d (%s) is not permitted: kernel.yama.ptrace_scope is "
                             "3, which forbids it to everybody until the next boot; set it to 1 "
                             "and reboot",
                             what, process->pid, process->name);
    } else if (!may_trace(&own)) {
        error = explain_without_capability(process, what, &own, &target);
    } else if (other_user_namespace(process)) {
        error = error_create(ERROR_NOT_PERMITTED, errnum,
                             "%s of process %d (%s) is not permitted: it lives in another user "
                             "namespace, where this root is nobody; run manhole-attach as root of "
                             "the host",
                             what, process->pid, process->name);
    }
    if (error)
        return error;

    if (own.seccomp)
        return error_create(ERROR_NOT_PERMITTED, errnum,
                            "%s of process %d (%s) is not permitted: a seccomp filter forbids "
                            "manhole-attach the call; run it outside of this sandbox, or start the "
                            "container with --security-opt seccomp=unconfined",
                            what, process->pid, process->name);
    char module[512];
    name_security_module(process, module, sizeof(module));
    return error_create(ERROR_NOT_PERMITTED, errnum,
                        "%s of process %d (%s) is not permitted: a security module of the kernel "
                        "forbids it (%s); its audit log names the rule to change",
                        what, process->pid, process->name, module);
}

struct error *process_check_access(struct process *process)
{
    /* Opening asks the same question as PTRACE_SEIZE (fs/proc/base.c, proc_mem_open with
       PTRACE_MODE_ATTACH), and changes nothing. */
    if (process_note_program(process))
        return NULL;
    if (errno == EACCES || errno == EPERM)
        return process_explain_refusal(process, "reading the memory", errno);
    int errnum = errno;
    struct error *ended = process_check_alive(process);
    if (ended)
        return ended;
    /* It is about to end: its memory is gone already (mm_access finds none), it itself not yet. */
    if (errnum == ESRCH)
        return error_create(ERROR_NO_PROCESS, errnum, "process %d (%s) has ended", process->pid,
                            process->name);
    return error_create(ERROR_PARTIAL, errnum, "the memory of process %d (%s) cannot be opened: %s",
                        process->pid, process->name, strerror(errnum));
}
