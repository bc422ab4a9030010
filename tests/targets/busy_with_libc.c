/* Never at rest: callbacks from libc, lazy binding, the vDSO, signals in between. For stepping. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile int total;

static int compare(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

static void handler(int number)
{
    char text[40];
    total += snprintf(text, sizeof(text), "%d", number);
}

int main(void)
{
    signal(SIGUSR1, handler);
    for (;;) {
        int numbers[20];
        char text[200];
        for (int i = 0; i < 20; i++)
            numbers[i] = rand() % 100;
        raise(SIGUSR1);
        qsort(numbers, 20, sizeof(numbers[0]), compare);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(text, sizeof(text), "%d %s %g", numbers[3], "text", numbers[4] / 3.0);
        char *copy = strdup(text);
        total += (int)strlen(copy);
        free(copy);
        total += (int)strtod("3.14159", NULL);
    }
}
