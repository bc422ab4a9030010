#ifndef SRC_BASE_NAME_H
#define SRC_BASE_NAME_H

#include <string.h>

/* The last component of a path, or all of it where that would be empty. */
static inline const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

#endif
