/*
 * Sleeps under a seccomp filter that allows the system calls whose numbers are its arguments from
 * the second on, and answers any other as the first says: with the end of the process ("kill") or
 * the thread ("thread"), SIGSYS ("trap"), or the error EPERM ("refuse"). "strict" is the mode of
 * that name: read, write and _exit.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CALLS_MAX 250 /* a jump is a byte */

static unsigned answer_named(const char *name)
{
    return !strcmp(name, "kill")     ? SECCOMP_RET_KILL_PROCESS
           : !strcmp(name, "thread") ? SECCOMP_RET_KILL_THREAD
           : !strcmp(name, "trap")   ? SECCOMP_RET_TRAP
                                     : SECCOMP_RET_ERRNO | 1;
}

int main(int count, char **arguments)
{
    int calls = count - 2, used = 0, ends[2];
    char byte;
    if (calls < 0 || calls > CALLS_MAX || pipe(ends))
        return 2;
    struct sock_filter filter[CALLS_MAX + 3];
    filter[used++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < calls; i++)
        filter[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (unsigned)atoi(arguments[i + 2]),
                                                      (unsigned char)(calls - i), 0);
    filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer_named(arguments[1]));
    filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)used, filter};
    printf("ready\n");
    fflush(stdout);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!strcmp(arguments[1], "strict") ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)
                                        : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 1;
    while (read(ends[0], &byte, 1) >= 0)
        ;
    return 3;
}
