/* Directories of the user's own, as the XDG Base Directory Specification 0.8 names them. */
#ifndef SRC_USER_DIRECTORY_H
#define SRC_USER_DIRECTORY_H

#include <stdbool.h>

/*
 * The directory that `variable` (XDG_STATE_HOME) names, or `below` the user's home, where that is
 * not set, no absolute path, or somebody else's; malloc'ed; NULL: there is none.
 */
char *user_directory(const char *variable, const char *below);

/* mkdir -p, private to the user, of all that stands in front of the last slash. */
bool user_directory_make(char *path);

#endif
