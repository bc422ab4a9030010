/* For targets whose threads must be in their calls before anybody looks: waits until they are. */
#ifndef TESTS_TARGETS_ASLEEP_H
#define TESTS_TARGETS_ASLEEP_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* How many threads of this process sleep in a system call (proc(5), /proc/TID/syscall; -1: they
   wait for a page). */
static inline int count_asleep(void)
{
    char path[300], text[16];
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        count += file && fgets(text, sizeof(text), file) && text[0] != 'r' && text[0] != '-';
        if (file)
            fclose(file);
    }
    if (directory)
        closedir(directory);
    return count;
}

/* Prints "ready" once `count` threads sleep, which are all but the caller. */
static inline void ready_when_asleep(int count)
{
    while (count_asleep() < count)
        usleep(1000);
    printf("ready\n");
    fflush(stdout);
}

#endif
