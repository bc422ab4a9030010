/*
 * Watches a child as a shell or a supervisor does, and prints every news of it: "stopped",
 * "continued", "ended". Prints the child's pid first. Awkward: a tool that stops by SIGSTOP shows.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    siginfo_t news;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned long work = 0;; work++)
            continue;
    }
    printf("child %d\nready\n", child);
    fflush(stdout);
    while (!waitid(P_PID, (id_t)child, &news, WEXITED | WSTOPPED | WCONTINUED)) {
        printf("%s\n", news.si_code == CLD_STOPPED     ? "stopped"
                       : news.si_code == CLD_CONTINUED ? "continued"
                       : news.si_code == CLD_TRAPPED   ? "trapped"
                                                       : "ended");
        fflush(stdout);
    }
    return 0;
}
