/*
 * Sleeps for 123 ms at a time, without end, and writes over the time that it gave as soon as the
 * call is over. Awkward: what the argument of its call points to is true only during the call.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(void)
{
    volatile struct timespec length;
    puts("ready");
    fflush(stdout);
    for (;;) {
        length = (struct timespec){.tv_nsec = 123000000};
        nanosleep((const struct timespec *)&length, NULL);
        memset((void *)&length, 0x7e, sizeof(length));
        for (struct timespec from, now = {0}; clock_gettime(CLOCK_MONOTONIC, &from) == 0;) {
            while (clock_gettime(CLOCK_MONOTONIC, &now) == 0 &&
                   (now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < 60000000)
                ;
            break;
        }
    }
}
