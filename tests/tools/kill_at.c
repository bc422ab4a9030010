/*
 * kill_at N WHOSE WHOM PROGRAM [ARGUMENTS...]: runs the program and ends it by SIGKILL at its Nth
 * stop at a system call: each call has two, before and after it. WHOSE stops count: those of the
 * `tool` (the program with all its threads) or of a `helper` (any process that it starts, those
 * together). WHOM to kill: `tool`, `helper` (the one that makes the call, or the latest), or `all`;
 * or a process id: that process is not killed, but sent SIGUSR1, and has a moment to end or to
 * become another program (of another name) while all the tool's tasks stand. Whoever is not killed
 * runs on, and must end within a deadline.
 *
 * Prints "killed: WHOSE, call NUMBER, entry|exit", after a signal "status: N" of the program, and
 * ends with 0; or, when there was no Nth stop
 * (N is 0, say), "stops: TOOL HELPER, from: TOOL HELPER" where those are counted and these are the
 * first with a call of ptrace, and ends with 3. The program's end counts as nothing: 4 and a word
 * for what did not end.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MAX 64
#define END_SECONDS 20 /* for what goes on after the kill */
#define LEAVE_MS 50

enum side { TOOL, HELPER };

/* The living tasks of all, each with the process that it is a thread of. */
static struct task {
    pid_t tid, pid;
    enum side side;
} tasks[TASKS_MAX];
static size_t task_count;
static pid_t tool, latest_helper;
static long stops[2], first_ptrace[2];

static struct task *find(pid_t tid)
{
    for (size_t i = 0; i < task_count; i++)
        if (tasks[i].tid == tid)
            return &tasks[i];
    return NULL;
}

static struct task *add(pid_t tid, pid_t pid, enum side side)
{
    struct task *task = find(tid);
    if (!task && task_count == TASKS_MAX)
        exit(2);
    if (!task)
        task = &tasks[task_count++];
    *task = (struct task){tid, pid, side};
    return task;
}

static void forget(pid_t tid)
{
    struct task *task = find(tid);
    if (task)
        *task = tasks[--task_count];
}

/* A child may stop before its parent's event says whose it is: this one says it. */
static void on_event(const struct task *parent, int event)
{
    unsigned long child;
    if (ptrace(PTRACE_GETEVENTMSG, parent->tid, NULL, &child))
        return;
    if (event == PTRACE_EVENT_CLONE) {
        add((pid_t)child, parent->pid, parent->side);
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
        add((pid_t)child, (pid_t)child, HELPER);
        latest_helper = (pid_t)child;
    }
}

/* The name of a process; "" when it has ended. */
static void read_name(pid_t pid, char *name, size_t size)
{
    char path[32], state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    name[0] = '\0';
    if (file && (!fgets(name, (int)size, file) || sscanf(name, "%*d (%*[^)]) %c", &state) != 1 ||
                 state == 'Z'))
        name[0] = '\0';
    if (file)
        fclose(file);
    name[strcspn(name, ")")] = '\0';
}

/* It may be unable to leave before we let the helper go on: that ends the wait, too. */
static void let_leave(pid_t pid)
{
    char before[256], now[256];
    read_name(pid, before, sizeof(before));
    kill(pid, SIGUSR1);
    for (int ms = 0; ms < LEAVE_MS; ms++) {
        read_name(pid, now, sizeof(now));
        if (strcmp(before, now) != 0)
            return;
        usleep(1000);
    }
}

static void kill_whom(const char *whom, const struct task *task)
{
    if (atoi(whom) > 0) {
        let_leave(atoi(whom));
        return;
    }
    pid_t helper = task->side == HELPER ? task->pid : latest_helper;
    if (helper && strcmp(whom, "tool") != 0)
        kill(helper, SIGKILL);
    if (strcmp(whom, "helper") != 0)
        kill(tool, SIGKILL);
}

/* True when this is the stop to kill at. */
static bool count_stop(const struct task *task, long n, enum side whose)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), &info) <= 0)
        return false;
    static long call[2];
    stops[task->side]++;
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (entry)
        call[task->side] = (long)info.entry.nr;
    if (entry && info.entry.nr == SYS_ptrace && !first_ptrace[task->side])
        first_ptrace[task->side] = stops[task->side];
    if (task->side != whose || stops[whose] != n)
        return false;
    printf("killed: %s, call %ld, %s\n", whose == TOOL ? "tool" : "helper", call[task->side],
           entry ? "entry" : "exit");
    return true;
}

static void start(char **argv)
{
    tool = fork();
    if (tool == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execv(argv[0], argv);
        _exit(127);
    }
    waitpid(tool, NULL, 0); /* the stop of execve */
    ptrace(PTRACE_SETOPTIONS, tool, NULL,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    add(tool, tool, TOOL);
    ptrace(PTRACE_SYSCALL, tool, NULL, NULL);
}

static void too_late(int signal)
{
    (void)signal;
    static const char text[] = "did not end\n";
    (void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
    _exit(4);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    long n = atol(argv[1]);
    enum side whose = strcmp(argv[2], "helper") ? TOOL : HELPER;
    bool killed = false;
    int status;
    pid_t tid;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, too_late);
    start(argv + 4);
    /* Threads of the target stand while we keep the helper waiting; fails for all but root. */
    setpriority(PRIO_PROCESS, 0, -20);
    while ((tid = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            if (killed && tid == tool && atoi(argv[3]) > 0)
                printf("status: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
            forget(tid);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, pass = 0;
        struct task *task = find(tid);
        if (!task) { /* the event of its parent is still to come: that corrects it */
            task = add(tid, tid, HELPER);
        } else if (event) {
            on_event(task, event);
        } else if (signal == (SIGTRAP | 0x80)) {
            if (!killed && count_stop(task, n, whose)) {
                killed = true;
                kill_whom(argv[3], task);
                alarm(END_SECONDS);
            }
        } else if (signal != SIGSTOP && signal != SIGTRAP) {
            pass = signal;
        }
        ptrace(killed ? PTRACE_CONT : PTRACE_SYSCALL, tid, NULL, pass);
    }
    if (killed)
        return 0;
    printf("stops: %ld %ld, from: %ld %ld\n", stops[TOOL], stops[HELPER], first_ptrace[TOOL],
           first_ptrace[HELPER]);
    return 3;
}
