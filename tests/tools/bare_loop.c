/*
 * bare_loop PID: the least that a look at all threads' registers can take while they stand still:
 * seizes and interrupts each, waits for it, reads its registers, and lets go of all at the end.
 */
#include <dirent.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    char path[64];
    static pid_t tids[100000];
    size_t count = 0;
    if (argc != 2)
        return 2;
    snprintf(path, sizeof(path), "/proc/%s/task", argv[1]);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && count < sizeof(tids) / sizeof(tids[0]))
            tids[count++] = (pid_t)atoi(entry->d_name);
    for (size_t i = 0; i < count; i++)
        if (ptrace(PTRACE_SEIZE, tids[i], 0, 0) || ptrace(PTRACE_INTERRUPT, tids[i], 0, 0))
            return 1;
    for (size_t i = 0; i < count; i++) {
        struct user_regs_struct registers;
        struct iovec into = {&registers, sizeof(registers)};
        int status;
        if (waitpid(tids[i], &status, __WALL) != tids[i] ||
            ptrace(PTRACE_GETREGSET, tids[i], NT_PRSTATUS, &into))
            return 1;
    }
    for (size_t i = 0; i < count; i++)
        ptrace(PTRACE_DETACH, tids[i], 0, 0);
    return count == 0;
}
