#include "src/syscalls.h"

#include "src/syscall_arguments.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static const char *const names[] = {
#include "syscall_names.inc"
};

const char *syscall_name(long number)
{
    if (number < 0 || (size_t)number >= sizeof(names) / sizeof(names[0]))
        return NULL;
    return names[number];
}

/*
 * The arguments of the calls that threads block in, and of some others (man-pages section 2), as
 * "name:kind" in order; kinds are those of syscall_arguments.h, "-" alone is not shown.
 */
struct signature {
    const char *name;
    const char *arguments;
};

static const struct signature signatures[] = {
    {"accept", "fd:fd addr:p addrlen:p"},
    {"accept4", "fd:fd addr:p addrlen:p flags:x"},
    {"clock_nanosleep", "clock:clk flags:- time:tsf remain:-"},
    {"close", "fd:fd"},
    {"connect", "fd:fd addr:p addrlen:d"},
    {"copy_file_range", "from:fd off_in:p to:fd off_out:p len:u flags:x"},
    {"epoll_pwait", "epfd:fd events:p maxevents:d timeout:ms sigmask:set"},
    {"epoll_pwait2", "epfd:fd events:p maxevents:d timeout:ts sigmask:set"},
    {"epoll_wait", "epfd:fd events:p maxevents:d timeout:ms"},
    {"execve", "path:str argv:p envp:p"},
    {"exit", "status:d"},
    {"exit_group", "status:d"},
    {"fallocate", "fd:fd mode:x offset:u len:u"},
    {"fcntl", "fd:fd cmd:cmd arg:x"},
    {"fdatasync", "fd:fd"},
    {"flock", "fd:fd operation:lock"},
    {"fsync", "fd:fd"},
    {"ftruncate", "fd:fd length:u"},
    {"futex_wait", "uaddr:p val:x mask:any flags:x timeout:abs"},
    {"futex_waitv", "waiters:p count:d flags:x timeout:abs"},
    {"getdents64", "fd:fd buf:p count:u"},
    {"getrandom", "buf:p len:u flags:x"},
    {"inotify_add_watch", "fd:fd path:str mask:x"},
    {"io_getevents", "ctx:x min_nr:d nr:d events:p timeout:ts"},
    {"io_pgetevents", "ctx:x min_nr:d nr:d events:p timeout:ts sig:p"},
    {"io_uring_enter", "fd:fd to_submit:d min_complete:d flags:x sig:set"},
    {"ioctl", "fd:fd request:x arg:x"},
    {"lseek", "fd:fd offset:d whence:d"},
    {"madvise", "addr:p len:u advice:d"},
    {"membarrier", "cmd:d flags:x"},
    {"mmap", "addr:p len:u prot:x flags:x fd:d offset:u"},
    {"mprotect", "addr:p len:u prot:x"},
    {"mq_timedreceive", "mqdes:fd msg:p len:u prio:p timeout:abs"},
    {"mq_timedsend", "mqdes:fd msg:p len:u prio:d timeout:abs"},
    {"msgrcv", "msqid:d msgp:p size:u type:d flags:x"},
    {"msgsnd", "msqid:d msgp:p size:u flags:x"},
    {"msync", "addr:p len:u flags:x"},
    {"munmap", "addr:p len:u"},
    {"nanosleep", "time:ts remain:-"},
    {"open", "path:str flags:x"},
    {"openat", "dir:dfd path:str flags:x"},
    {"pause", ""},
    {"poll", "fds:poll nfds:u timeout:ms"},
    {"ppoll", "fds:poll nfds:u timeout:ts sigmask:set"},
    {"pread64", "fd:fd buf:p count:u offset:u"},
    {"preadv", "fd:fd iov:p iovcnt:d offset:u"},
    {"preadv2", "fd:fd iov:p iovcnt:d offset:u"},
    {"pselect6", "nfds:d read:fds write:fds except:fds timeout:ts"},
    {"pwrite64", "fd:fd buf:p count:u offset:u"},
    {"pwritev", "fd:fd iov:p iovcnt:d offset:u"},
    {"read", "fd:fd buf:p count:u"},
    {"readv", "fd:fd iov:p iovcnt:d"},
    {"recvfrom", "fd:fd buf:p len:u flags:x"},
    {"recvmmsg", "fd:fd msgs:p vlen:d flags:x timeout:ts"},
    {"recvmsg", "fd:fd msg:p flags:x"},
    {"rt_sigsuspend", "mask:set"},
    {"rt_sigtimedwait", "set:set info:p timeout:ts"},
    {"sched_yield", ""},
    {"select", "nfds:d read:fds write:fds except:fds timeout:tv"},
    {"semop", "semid:d sops:p nsops:u"},
    {"semtimedop", "semid:d sops:p nsops:u timeout:ts"},
    {"sendfile", "out:fd in:fd offset:p count:u"},
    {"sendmmsg", "fd:fd msgs:p vlen:d flags:x"},
    {"sendmsg", "fd:fd msg:p flags:x"},
    {"sendto", "fd:fd buf:p len:u flags:x"},
    {"shutdown", "fd:fd how:d"},
    {"splice", "in:fd off_in:p out:fd off_out:p len:u flags:x"},
    {"stat", "path:str buf:p"},
    {"sync", ""},
    {"tee", "in:fd out:fd len:u flags:x"},
    {"tgkill", "tgid:d tid:d sig:sig"},
    {"unlink", "path:str"},
    {"userfaultfd", "flags:x"},
    {"vfork", ""},
    {"vmsplice", "fd:fd iov:p nr_segs:u flags:x"},
    {"wait4", "pid:d status:- options:x"},
    {"waitid", "idtype:idt id:d info:- options:x"},
    {"write", "fd:fd buf:p count:u"},
    {"writev", "fd:fd iov:p iovcnt:d"},
};

static const char *find_signature(const char *name)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (strcmp(signatures[i].name, name) == 0)
            return signatures[i].arguments;
    }
    return NULL;
}

/* futex(2): what each operation takes. `arguments` as in the table above, after uaddr and op. */
static const struct futex_operation {
    const char *name;
    const char *arguments;
} futex_operations[] = {
    [FUTEX_WAIT] = {"WAIT", "- - val:w timeout:ts"},
    [FUTEX_WAKE] = {"WAKE", "- - count:d"},
    [FUTEX_REQUEUE] = {"REQUEUE", "- - count:d count2:d uaddr2:p"},
    [FUTEX_CMP_REQUEUE] = {"CMP_REQUEUE", "- - count:d count2:d uaddr2:p val:w"},
    [FUTEX_WAKE_OP] = {"WAKE_OP", "- - count:d count2:d uaddr2:p op:x"},
    [FUTEX_LOCK_PI] = {"LOCK_PI", "- - - timeout:abs"},
    [FUTEX_UNLOCK_PI] = {"UNLOCK_PI", ""},
    [FUTEX_TRYLOCK_PI] = {"TRYLOCK_PI", ""},
    [FUTEX_WAIT_BITSET] = {"WAIT_BITSET", "- - val:w timeout:abs - mask:any"},
    [FUTEX_WAKE_BITSET] = {"WAKE_BITSET", "- - count:d - - mask:any"},
    [FUTEX_WAIT_REQUEUE_PI] = {"WAIT_REQUEUE_PI", "- - val:w timeout:abs uaddr2:p"},
    [FUTEX_CMP_REQUEUE_PI] = {"CMP_REQUEUE_PI", "- - count:d count2:d uaddr2:p val:w"},
    [FUTEX_LOCK_PI2] = {"LOCK_PI2", "- - - timeout:abs"},
};

/* `separator` stands before the first argument that is shown. */
static void add_arguments(struct text *text, const struct call *call, const char *signature,
                          const char *separator)
{
    for (size_t i = 0; *signature && i < 6; i++) {
        size_t length = strcspn(signature, " ");
        const char *colon = memchr(signature, ':', length);
        if (colon) {
            char name[32];
            size_t name_length = (size_t)(colon - signature), before = text->used;
            snprintf(name, sizeof(name), "%.*s", (int)name_length, signature);
            text_add(text, "%s", separator);
            if (argument_add(text, call, name, colon + 1, length - name_length - 1, i)) {
                separator = ", ";
            } else {
                text->used = before;
                text->buffer[before] = '\0';
            }
        }
        signature += length;
        signature += *signature == ' ';
    }
}

static void add_futex(struct text *text, struct call *call)
{
    int operation = (int)call->arguments[1];
    unsigned command = (unsigned)operation & FUTEX_CMD_MASK;
    const struct futex_operation *known = NULL;
    if (command < sizeof(futex_operations) / sizeof(futex_operations[0]) &&
        futex_operations[command].name)
        known = &futex_operations[command];

    text_add(text, "uaddr 0x%" PRIx64, call->arguments[0]);
    if (!known) {
        text_add(text, ", op 0x%x, val %" PRIu64, operation, call->arguments[2]);
        return;
    }
    /* LOCK_PI has always counted on the wall clock; the others say it (futex(2)). */
    call->clock = operation & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI ? CLOCK_REALTIME
                                                                               : CLOCK_MONOTONIC;
    text_add(text, ", %s%s", known->name, operation & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "");
    add_arguments(text, call, known->arguments, ", ");
}

static void add_raw(struct text *text, const uint64_t arguments[6])
{
    for (size_t i = 0; i < 6; i++)
        text_add(text, "%s0x%" PRIx64, i ? ", " : "", arguments[i]);
}

void syscall_format(struct snapshot *snapshot, const struct thread_snapshot *thread, char *buffer,
                    size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    struct call call = {.snapshot = snapshot,
                        .thread = thread,
                        .arguments = thread->syscall_arguments,
                        .clock = CLOCK_REALTIME};
    const char *name = syscall_name(thread->syscall_number);
    if (size == 0)
        return;
    buffer[0] = '\0';
    if (name)
        text_add(&text, "%s(", name);
    else
        text_add(&text, "system call %ld(", thread->syscall_number);

    const char *signature = name ? find_signature(name) : NULL;
    if (name && strcmp(name, "futex") == 0)
        add_futex(&text, &call);
    else if (name && strcmp(name, "restart_syscall") == 0)
        text_add(&text, "goes on with a call that was interrupted"); /* the kernel keeps which */
    else if (signature)
        add_arguments(&text, &call, signature, "");
    else
        add_raw(&text, call.arguments);
    text_add(&text, ")");
}
