/*
 * A parent in vfork, whose child never execs. Awkward: the parent sleeps uninterruptibly (D), so a
 * tracer's interrupt is never answered, and it cannot be detached either.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return 0;
}
