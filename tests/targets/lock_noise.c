/*
 * Takes a thousand record locks and lets go of them, as fast as it can; the argument is a directory
 * for its file. Awkward: /proc/locks is longer than the kernel gives at once, and
 * changes from one piece to the next.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLACES = 1000 };

static int file;

static void set(off_t start, off_t length, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(file, F_SETLK, &lock))
        abort();
}

/* None beside another, or the kernel would make one of them. */
static void take_all(void)
{
    for (int place = 0; place < PLACES; place++)
        set(place * 2, 1, F_WRLCK);
}

int main(int argc, char **argv)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/noise", argc > 1 ? argv[1] : ".");
    file = open(path, O_RDWR | O_CREAT, 0600);
    take_all();
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        set(0, 0, F_UNLCK);
        take_all();
    }
}
