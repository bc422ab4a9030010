/* Cleanup attributes for the resources of libc, so that every exit of a function frees them. */
#ifndef INJECTOR_CLEANUP_H
#define INJECTOR_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclose_(FILE **file)
{
    if (*file)
        fclose(*file);
}

static inline void cleanup_closedir_(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free_)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_)))
#define CLEANUP_FCLOSE __attribute__((cleanup(cleanup_fclose_)))
#define CLEANUP_CLOSEDIR __attribute__((cleanup(cleanup_closedir_)))

#endif
