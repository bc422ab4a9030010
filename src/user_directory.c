#include "src/user_directory.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * With sudo, HOME may still be that of somebody else, whose directory is no place for files of
 * root: then the home of the user we are.
 */
char *user_directory(const char *variable, const char *below)
{
    const char *set = getenv(variable);
    struct stat status;
    if (set && *set == '/' && (stat(set, &status) != 0 || status.st_uid == geteuid()))
        return strdup(set);
    const char *home = getenv("HOME");
    if (!home || *home != '/' || stat(home, &status) != 0 || status.st_uid != geteuid()) {
        const struct passwd *entry = getpwuid(geteuid());
        home = entry ? entry->pw_dir : NULL;
    }
    char *directory = NULL;
    if (!home || asprintf(&directory, "%s/%s", home, below) < 0)
        return NULL;
    return directory;
}

bool user_directory_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}
