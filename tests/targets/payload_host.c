// BUILD: -ldl -rdynamic
/*
 * A program that loads libmanhole itself, without any injection, and does with it what standard
 * input says, one word a line; each is answered by a line. Awkward: it has functions that fault in
 * every way, never end, refuse to be interrupted or end their thread, and threads that wait in
 * different ways.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/manhole.h"

/* What `call` is tried on. */
volatile int answer = 42;
_Atomic int touched, released;
char greeting[] = "hello from the host";

long give_sum(long a, long b, long c, long d, long e, long f)
{
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}
const char *give_greeting(void)
{
    return greeting;
}
int give_minus_one(void)
{
    errno = ENOENT;
    return -1;
}
int touch(void)
{
    return atomic_fetch_add(&touched, 1) + 1;
}
int read_null(int *from)
{
    return *(volatile int *)from;
}
int divide(int a, int b)
{
    return a / b;
}
void trap(void)
{
    __asm__ volatile("int3");
}
void illegal(void)
{
    __builtin_trap();
}
int deep(int n)
{
    volatile char waste[4096];
    waste[0] = (char)n;
    return n ? deep(n + 1) + waste[0] : 0;
}
int read_beyond_file(void)
{
    int file = memfd_create("empty", MFD_CLOEXEC);
    volatile char *byte = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return *byte;
}
void spin(void)
{
    for (;;)
        __asm__ volatile("");
}
void spoil_state(void)
{
    unsigned rounding = 0x7f80;
    __asm__ volatile("ldmxcsr %0; std" ::"m"(rounding));
    *(volatile int *)0 = 0;
}
void deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(&released))
        usleep(10000);
}
void end_thread(void)
{
    pthread_exit(NULL);
}
int fork_here(void)
{
    return fork();
}

/* The program's own use of SIGSEGV: it recovers from its own faults, again and again. */
static _Thread_local sigjmp_buf recovery;
static _Atomic long recovered;
static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    atomic_fetch_add(&recovered, 1);
    siglongjmp(recovery, 1);
}
static void *fault_for_ever(void *argument)
{
    while (!argument) {
        if (!sigsetjmp(recovery, 1))
            *(volatile int *)argument = 1;
        usleep(100);
    }
    return NULL;
}

/* A handler for one time, which may interrupt itself, and wants SIGUSR2 blocked meanwhile. */
static _Atomic int trapped, trap_mask;
static void on_trap(int signal)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    trap_mask = sigismember(&mask, signal) + 2 * sigismember(&mask, SIGUSR2);
    trapped++;
}
static void trap_once(void)
{
    struct sigaction action = {.sa_handler = on_trap, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGTRAP, &action, NULL);
}

static void *nest_in_poll(void *argument)
{
    prctl(PR_SET_NAME, "in-epoll");
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (;;)
        epoll_wait(epoll, &event, 1, -1);
    return argument;
}
static void *block_signals(void *argument)
{
    prctl(PR_SET_NAME, "deaf-thread");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (;;)
        pause();
    return argument;
}
static _Atomic int strange_signals;
static void *wait_for_signals(void *argument)
{
    prctl(PR_SET_NAME, "in-sigwait");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (;;)
        if (sigwaitinfo(&all, NULL) > 0)
            atomic_fetch_add(&strange_signals, 1);
    return argument;
}

static void *library;
static int call_payload(const char *name, const struct manhole_options *options)
{
    char message[512], symbol[64];
    snprintf(symbol, sizeof(symbol), "manhole_injected_%s", name);
    int (*function)(const void *, size_t, char *, size_t) = library ? dlsym(library, symbol) : NULL;
    if (!function)
        return printf("no function\n");
    int status = function(options, options ? sizeof(*options) : 0, message, sizeof(message));
    const char *(*text)(int) = (const char *(*)(int))dlsym(library, "manhole_error_text");
    return printf("%s %s: %s\n", name,
                  !status         ? "ok"
                  : status > 4096 ? text(status)
                                  : strerror(status),
                  message);
}

static void install(char *words, const char *fallback)
{
    struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
    options.verbose_destination = -1;
    snprintf(options.socket_path, sizeof(options.socket_path), "%s", fallback);
    char *position = NULL;
    for (char *word = strtok_r(words, " ", &position); word;
         word = strtok_r(NULL, " ", &position)) {
        if (!strncmp(word, "path=", 5))
            memccpy(options.socket_path, word + 5, 0, sizeof(options.socket_path));
        else if (!strncmp(word, "log=", 4))
            snprintf(options.verbose_path, sizeof(options.verbose_path), "%s", word + 4);
        else if (!strncmp(word, "logfd=", 6))
            options.verbose_destination = atoi(word + 6);
        else if (!strcmp(word, "replace"))
            options.strict = 0;
        else if (!strcmp(word, "default"))
            options.socket_path[0] = '\0';
        else if (!strncmp(word, "version=", 8))
            options.version = (uint32_t)atoi(word + 8);
    }
    call_payload("install", &options);
}

static int count(const char *path)
{
    int found = 0;
    DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory));)
        found += entry->d_name[0] != '.';
    closedir(directory);
    return found;
}
static void print_counts(void)
{
    char line[512];
    int maps = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), file))
        maps++;
    fclose(file);
    /* Dispositions as the kernel has them, of all signals. */
    unsigned long caught = 0;
    for (int signal = 1; signal < 65; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) == 0)
            caught = caught * 31 + (unsigned long)action.sa_handler;
    }
    printf("counts threads %d fds %d maps %d handlers %lx\n", count("/proc/self/task"),
           count("/proc/self/fd"), maps, caught);
}

static void fork_child(const char *fallback)
{
    pid_t child = fork();
    if (!child) {
        call_payload("status", NULL);
        call_payload("uninstall", NULL);
        struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
        options.verbose_destination = -1;
        snprintf(options.socket_path, sizeof(options.socket_path), "%s-child", fallback);
        call_payload("install", &options);
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child ended %d\n", status);
}

/* Holds the lock that dl_iterate_phdr takes, until released. */
static int hold_loader(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)info, (void)size, (void)argument;
    while (!atomic_load(&released))
        usleep(10000);
    return 1;
}
static void *hold_loader_lock(void *argument)
{
    dl_iterate_phdr(hold_loader, NULL);
    return argument;
}

/* From here on whoever calls malloc ends the program. */
static void break_heap(void)
{
    char *last = malloc(16);
    memset(last + 16, 0xff, 1024);
}

static _Atomic int children_wrong;
static void *fork_for_ever(void *argument)
{
    while (!atomic_load(&released)) {
        int status = 0;
        pid_t child = fork();
        if (!child)
            _exit(7);
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
            children_wrong++;
    }
    return argument;
}

/* The stacks into what the words say: a file, a pipe that nobody reads, or one without reader. */
static void __attribute__((noinline)) dump_stacks(const char *where)
{
    int (*dump)(int) = (int (*)(int))dlsym(library, "manhole_dump_stacktraces");
    int ends[2], status = -1;
    errno = 77;
    if (*where == '/') {
        int file = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        errno = 77;
        status = dump(file);
        close(file);
    } else if (!pipe(ends)) {
        char bytes[4096] = "";
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        while (!strcmp(where, "full") && write(ends[1], bytes, sizeof(bytes)) > 0)
            continue;
        fcntl(ends[1], F_SETFL, 0);
        if (!strcmp(where, "broken"))
            close(ends[0]);
        errno = 77;
        status = dump(ends[1]);
        close(ends[1]);
        close(ends[0]);
    }
    printf("stacks %s\n", status ? strerror(status) : "ok");
}

/* As daemons do: closes all it finds, and then has files of its own under the same numbers. */
static void close_and_reuse(const char *path)
{
    for (int fd = 3; fd < 1000; fd++)
        close(fd);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (write(file, "precious", 8) != 8)
        abort();
    lseek(file, 0, SEEK_SET);
    for (int fd = 90; fd < 120; fd++)
        dup2(file, fd);
}

static void start_thread(void *(*main)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, main, NULL);
    pthread_detach(thread);
}

static int obey(char *line, const char *path, const char *fallback)
{
    if (!strcmp(line, "load")) {
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        printf("%s\n", library ? "loaded" : dlerror());
    } else if (!strcmp(line, "unload")) {
        printf("unload %d\n", dlclose(library));
        library = NULL;
    } else if (!strncmp(line, "install", 7)) {
        install(line + 7, fallback);
    } else if (!strcmp(line, "uninstall")) {
        call_payload("uninstall", NULL);
    } else if (!strcmp(line, "status")) {
        call_payload("status", NULL);
    } else if (!strcmp(line, "counts")) {
        print_counts();
    } else if (!strcmp(line, "threads")) {
        start_thread(nest_in_poll);
        start_thread(block_signals);
        start_thread(wait_for_signals);
        usleep(50000);
        printf("threads\n");
    } else if (!strcmp(line, "faults")) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        start_thread(fault_for_ever);
        printf("faults\n");
    } else if (!strcmp(line, "trap once")) {
        trap_once();
        printf("will trap once\n");
    } else if (!strcmp(line, "trap")) {
        raise(SIGTRAP);
        printf("trapped %d, mask %d\n", trapped, trap_mask);
    } else if (!strcmp(line, "trap action")) {
        struct sigaction action;
        sigaction(SIGTRAP, NULL, &action);
        printf("SIGTRAP %s\n", action.sa_handler == SIG_DFL   ? "default"
                               : action.sa_handler == on_trap ? "handled"
                                                              : "strange");
    } else if (!strcmp(line, "numbers")) {
        printf("numbers recovered %ld strange %d touched %d\n", recovered, strange_signals,
               touched);
    } else if (!strcmp(line, "release")) {
        atomic_store(&released, 1);
        printf("released\n");
    } else if (!strcmp(line, "crash")) {
        *(volatile int *)16 = 1;
    } else if (!strcmp(line, "fork")) {
        fork_child(fallback);
    } else if (!strncmp(line, "fds ", 4)) {
        struct rlimit limit = {(rlim_t)atoi(line + 4), 4096};
        printf("fds %d\n", setrlimit(RLIMIT_NOFILE, &limit));
    } else if (!strncmp(line, "uid ", 4)) {
        printf("uid %d\n", setuid((uid_t)atoi(line + 4)));
    } else if (!strcmp(line, "rounds")) {
        for (int i = 0; i < 100; i++) {
            library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            install((char[]){""}, fallback);
            call_payload("uninstall", NULL);
            dlclose(library);
        }
        printf("rounds done\n");
    } else if (!strcmp(line, "loader")) {
        start_thread(hold_loader_lock);
        usleep(50000);
        printf("loader held\n");
    } else if (!strcmp(line, "heap")) {
        break_heap();
        printf("heap broken\n");
    } else if (!strcmp(line, "forks")) {
        start_thread(fork_for_ever);
        printf("forks\n");
    } else if (!strcmp(line, "children")) {
        printf("children wrong %d\n", children_wrong);
    } else if (!strncmp(line, "stacks ", 7)) {
        dump_stacks(line + 7);
    } else if (!strncmp(line, "reuse ", 6)) {
        close_and_reuse(line + 6);
        printf("reused\n");
    } else if (!strcmp(line, "exit")) {
        return 0;
    } else {
        printf("what?\n");
    }
    return 1;
}

/* Arguments: the library, and the path for its socket. */
int main(int argc, char **argv)
{
    char line[1024];
    if (argc != 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (!obey(line, argv[1], argv[2]))
            return 0;
    }
    return 0;
}
