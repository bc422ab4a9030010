#include "injector/debug_server.h"

#include "injector/deadline.h"
#include "injector/module.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define ALL_FILES_US UINT64_C(300000000)
#define SILENCE_DEFAULT_S 20
#define SILENCE_MAX_S 3600

struct missing {
    char id[2 * BUILD_ID_MAX + sizeof("d")]; /* what and which */
    UT_hash_handle hh;
};

/* What we use of libdebuginfod. */
struct client_library {
    __typeof__(debuginfod_begin) *begin;
    __typeof__(debuginfod_set_progressfn) *set_progress;
    __typeof__(debuginfod_find_debuginfo) *find_debuginfo;
    __typeof__(debuginfod_find_executable) *find_executable;
};

/* One for the run: see the header. Freed by its end. */
static struct {
    struct client_library library;
    debuginfod_client *client; /* NULL: not asked yet */
    struct missing *missing;
    deadline_t end;     /* for all files; set by the first */
    deadline_t silence; /* moves on with each byte that arrives */
    long arrived;       /* bytes of the file that is asked for */
    bool given_up;
    char problem[160]; /* "": none that was not said */
} server;

static uint64_t silence_us(void)
{
    const char *text = getenv(DEBUGINFOD_TIMEOUT_ENV_VAR);
    long seconds = text ? strtol(text, NULL, 10) : 0;
    if (seconds <= 0)
        seconds = SILENCE_DEFAULT_S;
    if (seconds > SILENCE_MAX_S)
        seconds = SILENCE_MAX_S;
    return (uint64_t)seconds * 1000000;
}

static void give_up(const char *why)
{
    server.given_up = true;
    snprintf(server.problem, sizeof(server.problem), "%s; debug files are missing", why);
}

/*
 * libdebuginfod calls this at least once a second (debuginfod_set_progressfn(3)); anything but 0
 * ends the transfer. `total` is 0 while no server has answered: then `done` counts nothing.
 */
static int watch(debuginfod_client *client, long done, long total)
{
    (void)client;
    if (total > 0 && done > server.arrived) {
        server.arrived = done;
        server.silence = deadline_after_us(silence_us());
    }
    if (deadline_passed(server.silence))
        give_up("the debuginfod servers do not answer (DEBUGINFOD_TIMEOUT)");
    else if (deadline_passed(server.end))
        give_up("the debuginfod servers are slow, 5 minutes have passed");
    return server.given_up;
}

/* False: there is no such library, or it has not what we need. */
static bool load_library(struct client_library *ret)
{
    void *library = dlopen(DEBUGINFOD_SONAME, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        return false;
    *ret = (struct client_library){
        .begin = dlsym(library, "debuginfod_begin"),
        .set_progress = dlsym(library, "debuginfod_set_progressfn"),
        .find_debuginfo = dlsym(library, "debuginfod_find_debuginfo"),
        .find_executable = dlsym(library, "debuginfod_find_executable"),
    };
    return ret->begin && ret->set_progress && ret->find_debuginfo && ret->find_executable;
}

static bool start(void)
{
    if (server.client)
        return true;
    if (!load_library(&server.library)) {
        give_up("DEBUGINFOD_URLS is set, but there is no " DEBUGINFOD_SONAME);
        return false;
    }
    server.client = server.library.begin();
    if (!server.client) {
        give_up("libdebuginfod does not start");
        return false;
    }
    server.library.set_progress(server.client, watch);
    server.end = deadline_after_us(ALL_FILES_US);
    return true;
}

bool debug_server_wanted(void)
{
    const char *urls = getenv(DEBUGINFOD_URLS_ENV_VAR);
    return urls && *urls && !server.given_up;
}

const char *debug_server_problem(void)
{
    static char said[sizeof(server.problem)];
    if (!server.problem[0])
        return NULL;
    memcpy(said, server.problem, sizeof(said));
    server.problem[0] = '\0';
    return said;
}

static void make_key(enum debug_server_file what, const uint8_t *id, size_t size,
                     struct missing *ret)
{
    ret->id[0] = what == DEBUG_SERVER_EXECUTABLE ? 'e' : 'd';
    for (size_t i = 0; i < size; i++)
        snprintf(ret->id + 1 + 2 * i, 3, "%02x", id[i]);
}

/* Without memory it may be asked for again: no harm. */
static void remember_missing(const struct missing *key)
{
    struct missing *entry = malloc(sizeof(*entry));
    if (!entry)
        return;
    *entry = *key;
    HASH_ADD_STR(server.missing, id, entry);
    if (!entry->hh.tbl)
        free(entry);
}

int debug_server_get(enum debug_server_file what, const uint8_t *build_id, size_t size, char **path)
{
    struct missing key = {0}, *found;
    if (!debug_server_wanted() || !size || size > BUILD_ID_MAX)
        return -1;
    make_key(what, build_id, size, &key);
    HASH_FIND_STR(server.missing, key.id, found);
    if (found || !start())
        return -1;
    server.arrived = 0;
    server.silence = deadline_after_us(silence_us());
    int fd = what == DEBUG_SERVER_EXECUTABLE
                 ? server.library.find_executable(server.client, build_id, (int)size, path)
                 : server.library.find_debuginfo(server.client, build_id, (int)size, path);
    if (fd >= 0)
        return fd;
    remember_missing(&key);
    return -1;
}
