/* What --list found, between finding (list.c) and printing (list_print.c). */
#ifndef SRC_LIST_H
#define SRC_LIST_H

#include "injector/error.h"
#include "src/locate.h"
#include "src/options.h"
#include "src/stale.h"

#include <stddef.h>
#include <sys/types.h>

struct list_process {
    pid_t pid; /* as we see it; 0: not known */
    uid_t uid; /* effective; (uid_t)-1: not known */
    char name[64];
};

struct list_row {
    struct list_process process;
    struct manhole_place place;
    uint64_t peer_inode;        /* of the client's end of the connection; 0: none, or not known */
    struct list_process client; /* where place.session_inode says that there is one */
};

struct listing {
    struct list_row *rows; /* ascending by pid */
    size_t count;
    size_t unread; /* processes we may not look into */
    struct stale_sockets stale;
};

void list_print_text(const struct listing *listing);
struct error *list_print_json(const struct listing *listing) MUST_CHECK;

#endif
