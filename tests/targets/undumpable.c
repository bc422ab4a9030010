/*
 * Calls prctl(PR_SET_DUMPABLE, 0), as programs with secrets do. Awkward: even its own user may not
 * look into it, and no id and no limit of its shows why.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
    if (prctl(PR_SET_DUMPABLE, 0))
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
